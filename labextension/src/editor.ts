/**
 * The CodeMirror editor of a cell.
 */
import type { EditorView } from '@codemirror/view';
import type { Cell } from '@jupyterlab/cells';
import { CodeMirrorEditor } from '@jupyterlab/codemirror';

/** Null while the cell has none: it is not in the viewport, or another kind of editor is used. */
export const editorView = (cell: Cell): EditorView | null =>
  cell.editor instanceof CodeMirrorEditor ? cell.editor.editor : null;
