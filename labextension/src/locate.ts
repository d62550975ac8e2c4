/**
 * Where an origin stands in a cell that may have been edited since.
 */
import type { Origin } from './contract';

/** Offsets into the source, in UTF-16 units. */
export interface Extent {
  from: number;
  to: number;
}

/** Columns of Python count characters; JavaScript counts UTF-16 units. */
const units = (line: string, column: number): number => [...line].slice(0, column).join('').length;

/** The guilty expression, or the statement where that is not known; null if the cell no longer holds it. */
export function locate(source: string, { line, code, span }: Origin): Extent | null {
  const lines = source.split('\n');
  const starts = lines.map(() => 0);
  for (let i = 1; i < lines.length; i++) {
    starts[i] = starts[i - 1] + lines[i - 1].length + 1;
  }
  const head = code.split('\n')[0].trim();
  if (!head) {
    return null;
  }
  const row = lines[line - 1]?.includes(head) ? line - 1 : only(lines, head);
  if (row === null) {
    return null;
  }
  if (span) {
    // Lines may have been put above since: everything moved by as many.
    const [first, last] = [span.line + row - (line - 1) - 1, span.end_line + row - (line - 1) - 1];
    if (lines[first] !== undefined && lines[last] !== undefined) {
      const from = starts[first] + units(lines[first], span.column);
      const to = starts[last] + units(lines[last], span.end_column);
      if (from < to && (!span.text || source.slice(from, to) === span.text)) {
        return { from, to };
      }
    }
  }
  const from = starts[row] + lines[row].indexOf(head);
  return { from, to: from + head.length };
}

/** The row that alone holds `text`. */
function only(lines: string[], text: string): number | null {
  const rows = lines.flatMap((l, i) => (l.includes(text) ? [i] : []));
  return rows.length === 1 ? rows[0] : null;
}
