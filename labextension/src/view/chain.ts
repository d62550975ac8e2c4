/**
 * The lineage of a finding as rows, and the guilty expression inside the origin's statement. The same as
 * `render/chain.py` and `render/guilty.py`.
 */
import type { Finding, Origin, Report, Step } from '../contract';
import { codeLines, joined, visible } from './spelling';
import { occurrence, originSentence, Place, stepNote } from './wording';

/** One row: of a step, of the origin, or of both. */
export interface Row {
  mark: Step['state'] | 'origin';
  step?: Step;
  at: Place;
  notes: string[];
}

/** `skipped` steps are between the last of the first rows and the origin; `folded` ones come before the origin in time. */
export interface Chain {
  rows: Row[];
  skipped: number;
  folded: Step[];
}

const samePlace = (a: Place, b: Place): boolean =>
  a.line === b.line &&
  a.file === b.file &&
  a.execution?.count === b.execution?.count &&
  a.execution?.cell_id === b.execution?.cell_id;

export function chainOf({ lineage, origin }: Finding): Chain {
  const own = lineage
    .map((s, i) => (origin && s.state === 'nonfinite' && samePlace(s, origin) ? i : -1))
    .filter(i => i >= 0);
  const last = lineage.reduce((at, s, i) => (s.state === 'nonfinite' ? i + 1 : at), 0);
  const at = own.length ? own[own.length - 1] : last;
  const before = lineage.slice(0, at);
  const rest = lineage.slice(at);
  const rowOf = (step: Step): Row => ({ mark: step.state, step, at: step, notes: [stepNote(step)] });
  const rows = before.slice(0, 12).map(rowOf);
  if (origin) {
    const mine = rest.length && samePlace(rest[0], origin) ? rest.splice(0, 1) : [];
    const note = joined([`origin: ${originSentence(origin)}`, occurrence(origin)]);
    rows.push({ mark: 'origin', step: mine[0], at: origin, notes: [note, ...mine.map(stepNote)] });
  }
  rows.push(...rest.slice(0, 3).map(rowOf));
  return { rows, skipped: Math.max(0, before.length - 12), folded: rest.slice(3) };
}

function spanText(report: Report, { span, execution }: Origin): string {
  if (!span) {
    return '';
  }
  if (span.text || !execution || execution.count !== report.execution.count) {
    return span.text || '';
  }
  const line = report.execution.source.split('\n')[span.line - 1] ?? '';
  const end = span.end_line === span.line ? span.end_column : undefined;
  return [...line].slice(span.column, end).join('');
}

/** Lines of the origin's statement; of each, from where to where it is the guilty expression (equal: it is not). */
export function guiltyLines(report: Report, origin: Origin): [string, number, number][] {
  const lines = codeLines(origin.code).map((text): [string, number, number] => [text, 0, 0]);
  const span = origin.span;
  const text = span ? visible(spanText(report, origin).split('\n')[0].trimEnd()) : '';
  if (!span || !text) {
    return lines;
  }
  const isWord = (c: string | undefined) => c !== undefined && /[\p{L}\p{N}_]/u.test(c);
  const found: [number, number][] = [];
  lines.forEach(([line], row) => {
    for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
      const isCut =
        (isWord(line[at - 1]) && isWord(text[0])) || (isWord(line[at + text.length]) && isWord(text[text.length - 1]));
      if (!isCut && [...line.slice(0, at)].length <= span.column) {
        found.push([row, at]);
      }
    }
  });
  if (found.length) {
    const row = span.line > origin.line ? Math.max(...found.map(([r]) => r)) : found[0][0];
    const start = Math.max(...found.filter(([r]) => r === row).map(([, at]) => at));
    lines[row] = [lines[row][0], start, start + text.length];
  }
  return lines;
}
