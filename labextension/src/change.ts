/**
 * Where an edit goes in a cell that may have changed since it ran.
 */
import type { Edit } from './contract';

/** Offsets into the source, in UTF-16 units. */
export interface Change {
  from: number;
  to: number;
  insert: string;
}

/** Where in the cell the edit's text stands; null if its lines do not hold it, exactly and once. */
export function changeOf(source: string, { line, end_line, before, after }: Edit): Change | null {
  const lines = source.split('\n');
  const text = lines.slice(line - 1, end_line).join('\n');
  const at = text.indexOf(before);
  if (!before || at < 0 || text.indexOf(before, at + 1) >= 0) {
    return null;
  }
  const from = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0) + at;
  return { from, to: from + before.length, insert: after };
}
