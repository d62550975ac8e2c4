/**
 * The notebooks that are open, and which of them is the current one.
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISignal, Signal } from '@lumino/signaling';
import { NotebookState } from './state';
import type { INotebookState, INumguard } from './tokens';

export class NumguardModel implements INumguard {
  constructor(private tracker: INotebookTracker) {
    tracker.forEach(notebook => this.follow(notebook));
    tracker.widgetAdded.connect((_, notebook) => this.follow(notebook));
    tracker.currentChanged.connect(() => this._changed.emit());
  }

  get current(): INotebookState | null {
    return this.tracker.currentWidget && this.of(this.tracker.currentWidget);
  }
  get changed(): ISignal<this, void> {
    return this._changed;
  }
  get alarmed(): ISignal<this, INotebookState> {
    return this._alarmed;
  }

  of(notebook: NotebookPanel): INotebookState | null {
    return this.states.get(notebook) ?? null;
  }

  forEach(callback: (state: INotebookState) => void): void {
    this.states.forEach(callback);
  }

  private follow(notebook: NotebookPanel): void {
    if (this.states.has(notebook)) {
      return;
    }
    const state = new NotebookState(notebook);
    this.states.set(notebook, state);
    notebook.disposed.connect(() => this.states.delete(notebook));
    state.changed.connect(() => state === this.current && this._changed.emit());
    state.alarmed.connect(() => this._alarmed.emit(state));
    this._changed.emit();
  }

  private states = new Map<NotebookPanel, NotebookState>();
  private _changed = new Signal<this, void>(this);
  private _alarmed = new Signal<this, INotebookState>(this);
}
