/**
 * Marks in the notebook: a squiggle under the guilty expression with its message and a quick fix, a bar beside the cell.
 */
import { Diagnostic, setDiagnostics } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import { Cell, CodeCell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { Finding } from './contract';
import { editorView } from './editor';
import { applyEdits, canApply } from './fix';
import { locate } from './locate';
import { indexOf } from './notebook';
import { Pace } from './pace';
import type { INotebookState } from './tokens';
import { h, sentence } from './view/elements';
import { label, prose } from './view/spelling';
import { occurrence, originSentence, what } from './view/wording';

const BAR = 'jp-mod-numguard';
const SOON = 50; // ms after the first of several messages

export class Marks implements IDisposable {
  constructor(
    private state: INotebookState,
    private trans: TranslationBundle,
    private isOn: boolean
  ) {
    state.changed.connect(this.pace.onMessage, this.pace);
    const content = state.notebook.content;
    content.modelContentChanged.connect(this.pace.onEdit, this.pace);
    state.notebook.disposed.connect(this.dispose, this);
    this.update();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.pace.dispose();
      Signal.clearData(this);
    }
  }

  /** Marks on or off. */
  show(isOn: boolean): void {
    this.isOn = isOn;
    this.update();
  }

  private update(): void {
    if (this._isDisposed || this.state.notebook.isDisposed) {
      return;
    }
    const { notebook } = this.state;
    this.wanted = new Map();
    for (const finding of this.isOn ? this.state.alarms : []) {
      const cell = notebook.content.widgets[indexOf(notebook, finding.origin?.execution ?? null)];
      if (cell instanceof CodeCell) {
        this.wanted.set(cell, [...(this.wanted.get(cell) ?? []), finding]);
      }
    }
    notebook.content.widgets.forEach(cell => this.mark(cell));
  }

  private mark(cell: Cell): void {
    if (!this.watched.has(cell)) {
      // With windowing the editor of a cell comes when it is scrolled to, and may come again.
      this.watched.add(cell);
      cell.inViewportChanged.connect(this.onSeen, this);
      void cell.ready.then(
        () => this.onSeen(cell),
        () => undefined
      );
    }
    const findings = this.wanted.get(cell) ?? [];
    const diagnostics = this.diagnosticsOf(cell, findings);
    cell.toggleClass(BAR, diagnostics.length > 0);
    const view = editorView(cell);
    if (view) {
      put(view, diagnostics);
    }
  }

  private onSeen(cell: Cell): void {
    if (!this._isDisposed && !cell.isDisposed) {
      this.mark(cell);
    }
  }

  /** One for each place, however many variables came of it. */
  private diagnosticsOf(cell: Cell, findings: Finding[]): Diagnostic[] {
    const source = cell.model.sharedModel.getSource();
    const places = new Map<string, Diagnostic>();
    const others = new Map<string, number>();
    for (const finding of findings) {
      const extent = finding.origin && locate(source, finding.origin);
      if (!extent || !finding.origin) {
        continue;
      }
      const key = `${extent.from} ${extent.to}`;
      const known = places.get(key);
      if (known) {
        others.set(key, (others.get(key) ?? 0) + 1);
        continue;
      }
      places.set(key, this.diagnostic(finding, extent.from, extent.to));
    }
    others.forEach((n, key) => {
      const diagnostic = places.get(key) as Diagnostic;
      diagnostic.message += `\n${this.trans._n('and %1 further variable', 'and %1 further variables', n)}`;
    });
    return [...places.values()].sort((a, b) => a.from - b.from).map(inLines);
  }

  private diagnostic(finding: Finding, from: number, to: number): Diagnostic {
    const { notebook } = this.state;
    const diagnosis = finding.diagnoses[0];
    const origin = finding.origin!;
    const step = occurrence(origin);
    const message = [
      `${what(finding)}: ${originSentence(origin)}${step && `, ${step}`}`,
      diagnosis && `${label(diagnosis.rule)} ${label(diagnosis.rule_name)}: ${prose(diagnosis.evidence)}`
    ];
    const edits = diagnosis?.rewrite?.edits ?? [];
    const isFixable = edits.length > 0 && canApply(notebook, edits);
    return {
      from,
      to,
      severity: 'error',
      source: 'numguard',
      message: message.filter(Boolean).join('\n'),
      actions: isFixable
        ? [{ name: this.trans.__('Apply…'), apply: () => void applyEdits(notebook, edits, this.trans) }]
        : []
    };
  }

  private wanted = new Map<Cell, Finding[]>();
  private watched = new WeakSet<Cell>();
  private pace = new Pace(() => this.update(), SOON);
  private _isDisposed = false;
}

/** The tooltip's text: a line each, code as code. */
const inLines = (diagnostic: Diagnostic): Diagnostic => ({
  ...diagnostic,
  renderMessage: () =>
    h(
      'div',
      null,
      diagnostic.message.split('\n').map(line => h('div', null, sentence(line)))
    )
});

const shown = new WeakMap<EditorView, string>();

/** Setting the same again would close a tooltip that is open. */
function put(view: EditorView, diagnostics: Diagnostic[]): void {
  const key = JSON.stringify(diagnostics.map(d => [d.from, d.to, d.message, d.actions?.length]));
  if (key === (shown.get(view) ?? '[]')) {
    return;
  }
  shown.set(view, key);
  const length = view.state.doc.length;
  view.dispatch(
    setDiagnostics(
      view.state,
      diagnostics.filter(d => d.to <= length)
    )
  );
}
