/**
 * Finding things in a notebook: cells of executions, stored reports; going there.
 */
import { CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ExecutionRef, Report } from './contract';
import { REPORT_MIME } from './tokens';
import type { Place } from './view/wording';

export const LOAD = '%load_ext jupyter_numguard';

function* codeModels(notebook: NotebookPanel): Generator<ICodeCellModel> {
  for (const model of notebook.content.model?.cells ?? []) {
    if (model.type === 'code') {
      yield model as ICodeCellModel;
    }
  }
}

/** The reports that are stored under a cell. */
function* reportsOf(model: ICodeCellModel): Generator<Report> {
  for (let i = 0; i < model.outputs.length; i++) {
    const report = model.outputs.get(i).data[REPORT_MIME] as unknown as Report | undefined;
    if (report?.schema_version === 1 && report.execution) {
      yield report;
    }
  }
}

/** Whether there is a reason to look for numguard in this notebook's kernel: elsewhere we leave the kernel alone. */
export function mentionsNumguard(notebook: NotebookPanel): boolean {
  for (const model of codeModels(notebook)) {
    if (model.sharedModel.getSource().includes('numguard') || !reportsOf(model).next().done) {
      return true;
    }
  }
  return false;
}

/** Whether cells wait for the kernel (Run All): between two of them it is idle for a moment only. */
export const hasWaitingCells = (notebook: NotebookPanel): boolean =>
  notebook.content.widgets.some(cell => cell instanceof CodeCell && cell.promptNode?.textContent?.includes('*'));

/** Of the stored reports that of the latest execution. */
export function storedReport(notebook: NotebookPanel): Report | null {
  let newest: Report | null = null;
  for (const model of codeModels(notebook)) {
    for (const report of reportsOf(model)) {
      if (!newest || (report.execution.count ?? 0) >= (newest.execution.count ?? 0)) {
        newest = report;
      }
    }
  }
  return newest;
}

/** Where the cell of an execution stands; -1 if it is not in the notebook. */
export function indexOf(notebook: NotebookPanel, execution: ExecutionRef | null): number {
  const cells = notebook.content.widgets;
  if (!execution) {
    return -1;
  }
  const byId = cells.findIndex(cell => execution.cell_id !== null && cell.model.id === execution.cell_id);
  if (byId >= 0 || execution.count === null) {
    return byId;
  }
  return cells.findIndex(c => c instanceof CodeCell && c.model.executionCount === execution.count);
}

/** Activate the cell and put the cursor on the line. */
export async function goTo(notebook: NotebookPanel, { execution, line }: Place): Promise<void> {
  const content = notebook.content;
  const at = indexOf(notebook, execution);
  if (at < 0) {
    return;
  }
  const cell = content.widgets[at];
  content.activeCellIndex = at;
  content.deselectAll();
  await content.scrollToCell(cell, 'smart');
  await cell.ready;
  content.mode = 'edit';
  const editor = cell.editor;
  if (editor) {
    const last = editor.lineCount - 1;
    editor.setCursorPosition({ line: Math.max(0, Math.min(line - 1, last)), column: 0 });
    editor.focus();
  }
}

/** Put a cell that loads numguard on top; it is not run. */
export function insertLoad(notebook: NotebookPanel): void {
  const content = notebook.content;
  content.model?.sharedModel.insertCell(0, { cell_type: 'code', source: LOAD, metadata: { trusted: true } });
  content.activeCellIndex = 0;
  content.activate();
}

/** Put `%%numguard` on top of the active cell; nothing where it stands already. */
export function traceActiveCell(notebook: NotebookPanel): void {
  const cell = notebook.content.activeCell;
  if (!(cell instanceof CodeCell) || /^\s*%%numguard\b/.test(cell.model.sharedModel.getSource())) {
    return;
  }
  cell.model.sharedModel.updateSource(0, 0, '%%numguard\n');
}
