/**
 * What is known of one notebook: how numguard stands in its kernel, and what it told.
 */
import { Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { openChannel } from './channel';
import type { Finding, LiveMessage, Report } from './contract';
import { History, reportOf } from './history';
import { hasWaitingCells, mentionsNumguard, storedReport } from './notebook';
import { INotebookState, Presence, REPORT_MIME } from './tokens';
import type { HistoryEntry } from './view/view';

export class NotebookState implements INotebookState, IDisposable {
  constructor(readonly notebook: NotebookPanel) {
    const context = notebook.sessionContext;
    context.kernelChanged.connect(this.reset, this);
    context.statusChanged.connect(this.onStatus, this);
    context.iopubMessage.connect(this.onIOPub, this);
    notebook.disposed.connect(this.dispose, this);
    void Promise.all([context.ready, notebook.revealed]).then(() => {
      this.isStarted = true;
      this.reset();
    });
  }

  get presence(): Presence {
    const { session, kernelDisplayStatus } = this.notebook.sessionContext;
    // A kernel that cannot be started again is gone for JupyterLab.
    if (kernelDisplayStatus === 'dead' || (this.hasDied && !session?.kernel)) {
      return 'dead';
    }
    if (!session?.kernel) {
      return this.isStarted ? 'no-kernel' : 'starting';
    }
    if (this.isLive) {
      return 'live';
    }
    if (this.isConnecting || STARTING.has(kernelDisplayStatus)) {
      return 'starting';
    }
    return this.hasDied ? 'revived' : this.wasLive ? 'restarted' : 'absent';
  }

  get isBusy(): boolean {
    return this.isHeld || this.notebook.sessionContext.kernelDisplayStatus === 'busy';
  }
  get watching(): boolean {
    return this.told.watching;
  }
  get muted(): readonly string[] {
    return this.told.muted;
  }
  get history(): HistoryEntry[] {
    return this.told.executions;
  }
  get report(): Report | null {
    return this.isLive ? reportOf(this.told) : storedReport(this.notebook);
  }
  get isStored(): boolean {
    return !this.isLive;
  }
  get alarms(): readonly Finding[] {
    return (this.report?.findings ?? []).filter(f => f.intended === null);
  }
  get changed(): ISignal<this, void> {
    return this._changed;
  }
  get alarmed(): ISignal<this, void> {
    return this._alarmed;
  }
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this.drop();
    Signal.clearData(this);
  }

  /** The kernel is another one, or was restarted: forget it; connect where the notebook speaks of numguard. */
  private reset(): void {
    this.drop();
    if (this.notebook.sessionContext.session?.kernel) {
      this.wasLive = false;
      this.hasDied = false;
    }
    if (mentionsNumguard(this.notebook)) {
      void this.connect();
    }
    this._changed.emit();
  }

  async connect(): Promise<void> {
    const kernel = this.notebook.sessionContext.session?.kernel;
    if (!kernel || this.isLive || this._isDisposed) {
      return;
    }
    // `ready` and `kernelChanged` both come at the start: the later call wins.
    const attempt = ++this.attempts;
    const isWanted = () => attempt === this.attempts && !this._isDisposed;
    this.isConnecting = true;
    this._changed.emit();
    const close = await openChannel(kernel, () => this.isBusy || hasWaitingCells(this.notebook), isWanted, {
      message: message => isWanted() && this.receive(message),
      closed: () => isWanted() && this.leave(),
      held: isHeld => isWanted() && this.hold(isHeld)
    });
    if (isWanted()) {
      this.close = close;
    } else {
      close?.();
    }
  }

  async run(command: string): Promise<void> {
    const kernel = this.notebook.sessionContext.session?.kernel;
    if (!kernel) {
      return;
    }
    const code = `%numguard ${command}`;
    const { content } = await kernel.requestExecute({ code, store_history: false, stop_on_error: false }).done;
    if (content.status === 'error') {
      Notification.error(`${code}: ${(content as KernelMessage.IReplyErrorContent).evalue}`, { autoClose: 5000 });
    }
  }

  private receive(message: LiveMessage): void {
    const before = this.told.findings;
    this.isConnecting = false;
    this.isLive = true;
    this.wasLive = true;
    this.hasDied = false;
    this.told.receive(message);
    this._changed.emit();
    const known = new Set(before.map(f => JSON.stringify([f.variable, f.origin?.execution])));
    const isNews = (f: Finding) => f.intended === null && !known.has(JSON.stringify([f.variable, f.origin?.execution]));
    // The first snapshot after `%load_ext` tells of cells that ran while the channel was opened; one after a reload does not.
    const isNow = message.type === 'execution' || this.isLoading;
    this.isLoading = false;
    if (isNow && this.told.findings.some(isNews)) {
      this._alarmed.emit();
    }
  }

  /** The kernel's side closed: numguard is not loaded there, or was unloaded. */
  private leave(): void {
    this.drop();
    this._changed.emit();
  }

  /** The cell that the page met running goes on, or has ended. */
  private hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    this._changed.emit();
  }

  private drop(): void {
    this.attempts++;
    this.isHeld = false;
    this.close?.();
    this.close = null;
    this.isConnecting = false;
    this.isLive = false;
    this.told = new History();
  }

  private onStatus(): void {
    const status = this.notebook.sessionContext.kernelDisplayStatus;
    if (this.isLive && GONE.has(status)) {
      this.drop();
    }
    if (GONE.has(status)) {
      this.hasDied = status === 'autorestarting' && this.wasLive; // 'restarting' comes before it
    }
    this._changed.emit();
  }

  private onIOPub(_: unknown, message: KernelMessage.IMessage): void {
    if (this.isLive) {
      return;
    }
    const parent = (message.parent_header as { msg_id?: string }).msg_id ?? '';
    const content = message.content as { code?: string; execution_state?: string; data?: Record<string, unknown> };
    switch (message.header.msg_type) {
      case 'execute_input':
        if (content.code?.includes('numguard')) {
          this.loading.add(parent);
        }
        break;
      case 'display_data': // loaded by the user's own configuration: no cell says so
        if (content.data && REPORT_MIME in content.data) {
          this.loading.add(parent);
        }
        break;
      case 'status':
        // Only the idle of that very cell: those of comms and subshells come before `%load_ext` is through.
        if (content.execution_state === 'idle' && this.loading.delete(parent)) {
          this.isLoading = true;
          void this.connect();
        }
    }
  }

  private told = new History();
  private close: (() => void) | null = null;
  private attempts = 0;
  private loading = new Set<string>();
  private isStarted = false;
  private isLoading = false;
  private isConnecting = false;
  private isHeld = false;
  private isLive = false;
  private wasLive = false;
  private hasDied = false;
  private _isDisposed = false;
  private _changed = new Signal<this, void>(this);
  private _alarmed = new Signal<this, void>(this);
}

const GONE = new Set(['restarting', 'autorestarting', 'dead', 'terminating']);
const STARTING = new Set(['starting', 'restarting', 'autorestarting', 'initializing', 'connecting']);
