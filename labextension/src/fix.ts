/**
 * Applying a rewrite: shown first, checked against the cell, one undo step, nothing is run.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { Change, changeOf } from './change';
import { editorView } from './editor';
import type { Edit } from './contract';
import { indexOf } from './notebook';
import { h, quiet } from './view/elements';
import { difference } from './view/reasons';
import { cell as cellName } from './view/wording';

/** The changes of each cell, from its start to its end; null where a cell does not hold what is to be replaced. */
function changesOf(notebook: NotebookPanel, edits: Edit[]): Map<Cell, Change[]> | null {
  const out = new Map<Cell, Change[]>();
  for (const edit of edits) {
    const cell = notebook.content.widgets[indexOf(notebook, edit.execution)];
    const change = cell && changeOf(cell.model.sharedModel.getSource(), edit);
    if (!change) {
      return null;
    }
    out.set(cell, [...(out.get(cell) ?? []), change]);
  }
  out.forEach(changes => changes.sort((a, b) => a.from - b.from));
  return out;
}

export const canApply = (notebook: NotebookPanel, edits: Edit[]): boolean => changesOf(notebook, edits) !== null;

/** Show what would change, and change it if the reader says so. */
export async function applyEdits(notebook: NotebookPanel, edits: Edit[], trans: TranslationBundle): Promise<void> {
  if (!canApply(notebook, edits)) {
    await showDialog({
      title: trans.__('This rewrite no longer fits'),
      body: trans.__('The cell was edited since it ran. Run it again for a rewrite of what it says now.'),
      buttons: [Dialog.okButton({ label: trans.__('Close') })]
    });
    return;
  }
  // They come last first, as they are applied; a reader begins with the first.
  const parts = [...edits]
    .reverse()
    .map(e => h('div', null, quiet(cellName(e.execution)), difference(e.before, e.after)));
  const body = new Widget({ node: h('div', { class: 'jp-Numguard jp-Numguard-preview' }, ...parts) });
  const apply = Dialog.okButton({ label: trans.__('Apply') });
  const { button } = await showDialog({
    title: trans.__('Apply this rewrite?'),
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), apply]
  });
  const changes = button.accept ? changesOf(notebook, edits) : null;
  changes?.forEach((list, cell) => change(cell, list));
}

function change(cell: Cell, changes: Change[]): void {
  const view = editorView(cell);
  if (view) {
    view.dispatch({ changes, userEvent: 'input.numguard', scrollIntoView: true });
    cell.editor?.focus();
    return;
  }
  // Its editor is not there (windowing): the same on the document, as one step too.
  cell.model.sharedModel.transact(() => {
    for (const { from, to, insert } of [...changes].reverse()) {
      cell.model.sharedModel.updateSource(from, to, insert);
    }
  });
}
