/**
 * What the parts of the extension hand to one another.
 */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Finding, Report } from './contract';
import type { HistoryEntry } from './view/view';

/** The MIME type under which Python stores a report in the notebook (`report.MIME`). */
export const REPORT_MIME = 'application/vnd.numguard.report+json';

/**
 * How numguard stands in a notebook's kernel.
 *
 * `absent`: the kernel runs, numguard is not loaded in it. `restarted`: the same, after it had been; `revived`: after the
 * kernel had died and the server started it again.
 */
export type Presence = 'no-kernel' | 'starting' | 'absent' | 'restarted' | 'revived' | 'dead' | 'live';

/** What is known of one notebook. */
export interface INotebookState {
  readonly notebook: NotebookPanel;
  readonly presence: Presence;
  readonly isBusy: boolean;
  readonly watching: boolean;
  readonly muted: readonly string[];
  readonly history: HistoryEntry[];
  /** The present state; where numguard is not live, the newest report that is stored in the notebook. */
  readonly report: Report | null;
  readonly isStored: boolean;
  readonly alarms: readonly Finding[];
  readonly changed: ISignal<INotebookState, void>;
  /** Something became non-finite. */
  readonly alarmed: ISignal<INotebookState, void>;
  /** Try to reach numguard in the kernel. */
  connect(): Promise<void>;
  /** Run a `%numguard` command that the reader asked for; not stored in the history. */
  run(command: string): Promise<void>;
}

/** The notebooks that are open. */
export interface INumguard {
  readonly current: INotebookState | null;
  /** The current notebook is another one, or its state moved. */
  readonly changed: ISignal<INumguard, void>;
  readonly alarmed: ISignal<INumguard, INotebookState>;
  of(notebook: NotebookPanel): INotebookState | null;
  forEach(callback: (state: INotebookState) => void): void;
}

export const INumguard = new Token<INumguard>(
  'jupyter-numguard:INumguard',
  'What numguard knows of the notebooks that are open.'
);
