/**
 * The sentences of a report. The same as `render/wording.py`; a browser test compares the two for every golden report.
 */
import type {
  Counts,
  ExecutionRef,
  Finding,
  History,
  Origin,
  Report,
  RewriteAdvice,
  Step,
  TensorSummary
} from '../contract';
import {
  amount,
  duration,
  index,
  isAre,
  joined,
  label,
  listed,
  many,
  memory,
  number,
  prose,
  tensor,
  value
} from './spelling';

/** A line of a cell, or of a file. */
export interface Place {
  execution: ExecutionRef | null;
  file: string | null;
  line: number;
}

export const HEADINGS = {
  now: 'Non-finite now',
  chain: 'How it got there',
  why: 'Why',
  rewrite: 'Write instead',
  operands: 'What it was given'
};
const EVENTS: Record<Step['event'], string> = {
  bound: '',
  mutated: 'changed in place',
  read: 'read here',
  introduced: 'came in',
  external: 'outside'
};
const MEASURED: Record<TensorSummary['measured'], string> = {
  at_op: '',
  after: 'measured after the operation',
  sample: 'measured on a sample'
};
const STATES: Record<Step['state'], string> = { finite: 'finite', nonfinite: 'non-finite', unknown: 'not checked' };

type Kinds = Pick<TensorSummary, 'nan' | 'posinf' | 'neginf'>;

const kinds = (c: Kinds): [number, string][] =>
  (
    [
      [c.nan, 'NaN'],
      [c.posinf, '+Inf'],
      [c.neginf, '-Inf']
    ] as [number | null, string][]
  ).filter((pair): pair is [number, string] => Boolean(pair[0]));
export const kindNames = (c: Kinds): string => listed(kinds(c).map(([, kind]) => kind)) || 'non-finite';

export function what(finding: Finding): string {
  const inside = finding.scope === 'local' && finding.function ? ` in ${label(finding.function)}()` : '';
  return `${label(finding.variable)}${inside} ${finding.counts.size === 1 ? 'is' : 'holds'} ${kindNames(finding.counts)}`;
}

function howMany(counts: Counts): string {
  const found = kinds(counts);
  const shown = found.length === 1 ? amount(found[0][0]) : listed(found.map(([n, kind]) => `${amount(n)} ${kind}`));
  return `${shown || 'some'} of ${amount(counts.size)} elements`;
}

export const countWords = (c: Counts): string[] =>
  kinds(c).map(([n, kind]) => `${kind} ${amount(n)}/${amount(c.size)}`);
export const briefCounts = (c: Counts): string => countWords(c).join(', ') || 'non-finite';

export function about(finding: Finding): string {
  const first = index(finding.first_index);
  return joined([howMany(finding.counts), tensor(finding.tensor), first && `first at ${first}`]);
}

export const cell = (execution: { count: number | null } | null): string => `In [${execution?.count ?? ' '}]`;
const inFile = (p: Place): string | null => (!p.execution && p.file ? p.file : null);
export const place = (p: Place): string => `${inFile(p) !== null ? label(p.file) : cell(p.execution)}, line ${p.line}`;
export const shortPlace = (p: Place): string => {
  const file = inFile(p);
  return file !== null
    ? `${label(file.replaceAll('\\', '/').split('/').pop())}:${p.line}`
    : `${cell(p.execution)}:${p.line}`;
};
export const occurrence = (origin: Origin): string =>
  origin.occurrence > 1 ? `step ${amount(origin.occurrence)}` : '';
export const since = (finding: Finding, report: Report): string =>
  finding.origin
    ? `since ${joined([place(finding.origin), occurrence(finding.origin)])}`
    : `found after ${cell(report.execution)}`;

function made(result: TensorSummary | null): string {
  const found = result ? kinds(result) : [];
  if (!result || !found.length) {
    return 'made it';
  }
  if (result.size === 1) {
    return `made ${found[0][1]}`;
  }
  const total = result.size ? ` of ${amount(result.size)} elements` : '';
  return `made ${listed(found.map(([n, kind]) => `${amount(n)} ${kind}`))}${total}`;
}

function originCore(origin: Origin): string {
  const native = origin.native_op && origin.native_op !== origin.op ? ` (${label(origin.native_op)})` : '';
  switch (origin.kind) {
    case 'introduced':
      return `non-finite where it came in${native}`;
    case 'external':
      return `made outside the code that numguard sees${native}`;
    case 'unknown':
      return 'numguard did not see which operation made it';
  }
  if (origin.phase === 'backward') {
    const by = origin.backward;
    const asked = by ? `, asked for by ${label(by.code)} in ${place(by)}` : '';
    // Watched: nobody saw of which operation.
    const of = origin.op === 'backward' ? '' : `, of ${label(origin.op)}${native},`;
    return `its gradient${of} ${made(origin.result)}${asked}`;
  }
  if (origin.phase === 'update') {
    return `the optimizer's update${native} ${made(origin.result)}`;
  }
  return `${label(origin.op)}${native} ${made(origin.result)}`;
}
export const originSentence = (origin: Origin): string =>
  (origin.confidence === 'likely' && origin.kind === 'op' ? 'most likely ' : '') + originCore(origin);

/** The operands of which something can be said: not those that have no name, no dtype and no numbers. */
export const operandsShown = (origin: Origin): TensorSummary[] =>
  origin.operands.filter(s => s.variable || s.dtype !== 'unknown').slice(0, 8);

export function operand(s: TensorSummary): string {
  const facts = [tensor(s)];
  const total = s.size ? ` of ${amount(s.size)}` : '';
  if (s.min !== null && s.max !== null) {
    facts.push(s.min === s.max ? number(s.min) : `${number(s.min)} to ${number(s.max)}`);
  } else if (s.absmax !== null) {
    facts.push(`magnitude up to ${number(s.absmax)}`);
  }
  if (s.zeros) {
    facts.push(`${amount(s.zeros)}${total} ${isAre(s.zeros)} 0`);
  }
  for (const [n, kind] of kinds(s)) {
    facts.push(`${amount(n)}${total} ${isAre(n)} ${kind}`);
  }
  if (s.shape.includes(0)) {
    facts.push('no elements');
  } else if (s.min === null && s.absmax === null && !kinds(s).length) {
    facts.push('values not measured');
  } else if (MEASURED[s.measured]) {
    facts.push(MEASURED[s.measured]);
  }
  return (s.variable ? `${label(s.variable)}: ` : '') + facts.join('; ');
}

export function stepNote(step: Step): string {
  const state = step.state === 'nonfinite' && step.counts ? briefCounts(step.counts) : STATES[step.state];
  const note = joined([state, EVENTS[step.event], step.stale && 'its cell was edited or run again since']);
  return step.variable ? `${label(step.variable)}: ${note}` : note;
}

export const historyPoints = (history: History): [number, number][] =>
  history.step
    .map((s, i): [number, number | null | undefined] => [s, value(history.absmax[i])])
    .filter((p): p is [number, number] => p[1] !== undefined && p[1] !== null);

/** Whether there are two finite points to compare. */
export const hasGrown = (history: History): boolean =>
  historyPoints(history).filter(([, a]) => Number.isFinite(a)).length > 1;

export function growth(history: History): string {
  const points = historyPoints(history);
  const finite = points.filter(([, a]) => Number.isFinite(a));
  const name = `largest |${label(history.variable)}| per step`;
  if (finite.length < 2) {
    return `${name}: too few finite points`;
  }
  const [[s0, a0], [s1, a1]] = [finite[0], finite[finite.length - 1]];
  const text = `${name}: ${number(a0)} at step ${amount(s0)}, ${number(a1)} at step ${amount(s1)}`;
  const beyond = points.find(([s, a]) => !Number.isFinite(a) && s > s0);
  return beyond ? `${text}, non-finite at step ${amount(beyond[0])}` : text;
}

export function exponentsSentence(s: TensorSummary): string {
  const { first, counts } = s.exponents ?? { first: 0, counts: [] };
  const filled = counts.flatMap((n, i) => (n ? [first + i] : []));
  const total = counts.reduce((a, b) => a + b, 0);
  const text = `binary exponents of ${many(total, 'value')}, ${filled[0]} to ${filled[filled.length - 1]}`;
  const zeros = s.zeros ? `; ${amount(s.zeros)} ${isAre(s.zeros)} 0` : '';
  return (s.variable ? `${label(s.variable)}: ` : '') + text + zeros;
}

export const verified = (rewrite: RewriteAdvice): string =>
  (rewrite.verified ? 'verified' : 'not verified') + (rewrite.note ? `: ${prose(rewrite.note)}` : '');

export function intendedLine(findings: Finding[]): string {
  const shown = findings.slice(0, 4).map(f => `${label(f.variable)} (${kindNames(f.counts)}, ${label(f.intended)})`);
  const rest = findings.length > 4 ? ` and ${findings.length - 4} more` : '';
  return `${amount(findings.length)} intended: ${shown.join(', ')}${rest}`;
}

export function fineSteps(steps: Step[]): string {
  const cells = [...new Set([...steps].reverse().map(s => (s.execution ? cell(s.execution) : label(s.file || '?'))))];
  return `${many(steps.length, 'earlier step')} (${cells.slice(0, 6).join(', ')}${cells.length > 6 ? ', …' : ''})`;
}

export function finiteLine(report: Report): string {
  const { tensors, bytes } = report.checked;
  const state = report.findings.length ? 'checked' : 'finite';
  const line = `numguard: ${many(tensors, 'tensor')} ${state} (${memory(bytes)}) in ${duration(report.seconds.numguard)}`;
  return report.findings.length ? `${line}; ${intendedLine(report.findings)}` : line;
}

/** What could not be traced or checked, one line each. */
export function blindSpots(report: Report): string[] {
  const of = (head: string, pairs: [string, string][]) =>
    pairs.length
      ? [
          `${head}: ${pairs
            .slice(0, 8)
            .map(([a, b]) => `${label(a)} (${label(b)})`)
            .join(', ')}` + (pairs.length > 8 ? ` and ${pairs.length - 8} more` : '')
        ]
      : [];
  return [
    ...of(
      'not traced',
      report.execution.not_traced.map(n => [n.what, n.reason])
    ),
    ...of(
      'not checked',
      report.checked.skipped.map(s => [s.variable, s.reason])
    )
  ];
}

export const ending = (report: Report): string =>
  report.execution.status === 'error'
    ? 'the cell ended with an error'
    : report.execution.status === 'interrupted'
      ? 'the cell was interrupted'
      : '';

export function nextStep(report: Report): string {
  const alarms = report.findings.filter(f => f.intended === null);
  if (report.mode !== 'watch' || !alarms.length || alarms[0].origin?.confidence === 'exact') {
    return '';
  }
  if (alarms[0].origin?.run_again) {
    return 'seen by running its statements again on copies; for the run itself put %%numguard on top of the cell';
  }
  return 'for the exact operation, line and step: put %%numguard on top of the cell and run it again';
}

export const furtherElements = (finding: Finding): string =>
  finding.more ? `and ${many(finding.more, 'further element')} of the same list` : '';
