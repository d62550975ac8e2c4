/**
 * What one drawing of a report needs to know: what the place it is in can do, and what the reader was doing.
 */
import type { Edit, Finding } from '../contract';
import { Child, h } from './elements';
import { toClipboard } from './clipboard';
import type { Place } from './wording';

/** One execution of the history strip. */
export interface HistoryEntry {
  count: number | null;
  cell_id?: string | null;
  verdict: 'finite' | 'nonfinite';
}

/** What the place of the view can do; what it cannot is not shown. */
export interface Actions {
  history?: HistoryEntry[];
  goTo?: (place: Place) => void;
  apply?: (edits: Edit[]) => void;
  /** Whether the cells still hold what the edits replace. */
  canApply?: (edits: Edit[]) => boolean;
  mute?: (variable: string) => void;
  /** Rows of the table that are drawn at once. */
  maxRows?: number;
  translate?: (text: string) => string;
}

/** What the reader was doing; outlives drawing again. */
export interface State {
  open: Map<string, boolean>;
  sort: { column: string; direction: 1 | -1 } | null;
  filter: string;
  selected: string | null;
  said: HTMLElement;
}

export class Context {
  constructor(
    readonly state: State,
    readonly actions: Actions,
    readonly redraw: () => void
  ) {}

  /** A fixed text of the view in the reader's language. */
  t = (text: string): string => this.actions.translate?.(text) ?? text;

  /** A details element whose state outlives drawing again. */
  fold(key: string, summary: Child, ...children: Child[]): HTMLElement {
    const open = this.state.open.get(key) ?? false;
    const details = h(
      'details',
      { open },
      h('summary', { class: 'ng-q', 'data-ng': `fold ${key}` }, summary),
      ...children
    );
    details.addEventListener('toggle', () => this.state.open.set(key, details.open));
    return details;
  }

  /** Copy, and say whether it worked. */
  async copy(text: string): Promise<void> {
    const done = await toClipboard(text);
    this.state.said.textContent = this.t(done ? 'Copied.' : 'The browser did not allow copying.');
  }
}

/** Two functions may have a local of the same name. */
export const keyOf = (finding: Finding): string => `${finding.scope} ${finding.function} ${finding.variable}`;
