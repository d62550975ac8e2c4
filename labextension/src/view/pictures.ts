/**
 * The two pictures of a report: growth per step, and binary exponents. The same as `render/pictures.py`.
 */
import type { History, TensorSummary } from '../contract';
import { Child, s } from './elements';
import { amount, label, number } from './spelling';
import { exponentsSentence, growth, historyPoints } from './wording';

const WIDTH = 290;
const svg = (height: number, sentence: string, ...children: Child[]) =>
  s(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: 'img', 'aria-label': sentence },
    ...children
  );

export function growthPicture(history: History): SVGElement | null {
  const all = historyPoints(history);
  const points = all.filter(([, a]) => Number.isFinite(a)).map(([step, a]): [number, number] => [step, Math.abs(a)]);
  if (points.length < 2) {
    return null;
  }
  const positive = points.map(([, a]) => a).filter(a => a > 0);
  const low = positive.length ? Math.min(...positive) : 0;
  const high = Math.max(...points.map(([, a]) => a));
  const isLog = low > 0 && high / low > 100;
  const [first, last] = [history.step[0], history.step[history.step.length - 1]];
  const x = (step: number) => 2 + ((WIDTH - 14) * (step - first)) / Math.max(1, last - first);
  const part = (a: number) => (isLog ? Math.log(Math.max(a, low) / low) / Math.log(high / low) : high ? a / high : 0);
  const path = points
    .map(([step, a], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${(40 - 26 * part(a)).toFixed(1)}`)
    .join(' ');
  const beyond = (all.find(([, a]) => !Number.isFinite(a)) ?? [last])[0];
  return svg(
    46,
    growth(history),
    s('path', { d: path, class: 'ng-curve', fill: 'none' }),
    s('line', { x1: x(beyond), x2: x(beyond), y1: 2, y2: 40, class: 'ng-limit' }),
    s('text', { x: 2, y: 10 }, `max |${label(history.variable)}| per step${isLog ? ', log scale' : ''}`),
    s('text', { x: Math.min(x(beyond), WIDTH - 2) - 4, y: 38, 'text-anchor': 'end' }, amount(beyond))
  );
}

function power(exponent: number): string {
  const tens = exponent * Math.log10(2);
  if (tens >= -4 && tens < 6) {
    return number(2 ** exponent);
  }
  const whole = Math.floor(tens);
  return `${(10 ** (tens - whole)).toFixed(1).replace(/\.0$/, '')}e${whole}`;
}

export function exponentsPicture(summary: TensorSummary): SVGElement | null {
  const counts = [...(summary.exponents?.counts ?? [])];
  if (!summary.exponents || !counts.some(Boolean)) {
    return null;
  }
  while (!counts[counts.length - 1]) {
    counts.pop();
  }
  const lead = counts.findIndex(Boolean);
  const first = summary.exponents.first + lead;
  const used = counts.slice(lead);
  const group = Math.ceil(used.length / 32);
  const bars: number[] = [];
  for (let i = 0; i < used.length; i += group) {
    bars.push(used.slice(i, i + group).reduce((a, b) => a + b, 0));
  }
  const left = summary.zeros ? 34 : 2;
  const pitch = (WIDTH - left - 4) / Math.max(8, bars.length);
  const top = Math.max(...bars, summary.zeros || 0);
  const bar = (at: number, width: number, n: number, cls: string) => {
    const height = n ? Math.max(1.5, (30 * n) / top) : 0;
    return s('rect', { x: at, y: 44 - height, width, height, class: cls });
  };
  return svg(
    58,
    exponentsSentence(summary),
    bars.map((n, i) => bar(left + i * pitch, Math.max(1, pitch * 0.78), n, 'ng-bar')),
    summary.zeros
      ? [
          s('rect', { x: 0, y: 12, width: 26, height: 32, class: 'ng-zone' }),
          bar(6, 14, summary.zeros, 'ng-zero'),
          s('text', { x: 10, y: 55 }, '0')
        ]
      : null,
    s('text', { x: left, y: 55 }, power(first)),
    bars.length > 5
      ? s('text', { x: left + bars.length * pitch, y: 55, 'text-anchor': 'end' }, power(first + used.length))
      : null
  );
}
