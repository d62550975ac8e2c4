/**
 * How text, numbers and tensors are spelled. The same as `render/spelling.py`; a browser test compares the two.
 */
import type { TensorSummary } from '../contract';

/** A number of the report: "NaN", "Infinity" and "-Infinity" are its spellings of what JSON has no number for. */
export type Numeric = number | 'NaN' | 'Infinity' | '-Infinity' | null | undefined;

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

function escapeCharacter(c: string): string {
  if (c === '\n') {
    return c;
  }
  const code = c.codePointAt(0) ?? 0;
  const digits = (n: number) => code.toString(16).padStart(n, '0');
  return code < 0x100 ? `\\x${digits(2)}` : code < 0x10000 ? `\\u${digits(4)}` : `\\U${digits(8)}`;
}

/** Text with every character that has no shape (control, direction, invisible) as an escape. */
export const visible = (text: unknown): string =>
  String(text ?? '')
    .replaceAll('\r\n', '\n')
    .replaceAll('\t', '    ')
    .replace(HIDDEN, escapeCharacter);

export function clip(text: string, limit: number): string {
  const characters = [...text.slice(0, 2 * limit + 2)];
  return characters.length <= limit ? characters.join('') : characters.slice(0, limit - 1).join('') + '…';
}

/** One line, at most 120 characters: a name, a word. */
export const label = (text: unknown): string =>
  clip(visible(String(text ?? '').slice(0, 240)).replaceAll('\n', '⏎ '), 120);

/** A paragraph, at most 1200 characters. */
export const prose = (text: unknown): string =>
  clip(
    visible(
      String(text ?? '')
        .slice(0, 2400)
        .split(/\s+/)
        .filter(Boolean)
        .join(' ')
    ),
    1200
  );

export function firstLine(code: unknown): string {
  const [head, ...rest] = String(code ?? '')
    .trim()
    .split('\n');
  return label(head + (rest.length ? ' …' : ''));
}

/** At most 12 lines of a source, without their common indentation. */
export function codeLines(code: unknown): string[] {
  const all = String(code ?? '')
    .replace(/^\n+|\n+$/g, '')
    .split('\n');
  const shown = all.slice(0, 12).map(line => visible(line.slice(0, 400)));
  const indents = shown.filter(line => line.trim()).map(line => line.length - line.trimStart().length);
  const margin = indents.length ? Math.min(...indents) : 0;
  return [...shown.map(line => clip(line.slice(margin), 200)), ...(all.length > 12 ? ['…'] : [])];
}

function trim(digits: string): string {
  const short = digits.includes('.') ? digits.replace(/0+$/, '').replace(/\.$/, '') : digits;
  return short === '-0' ? '0' : short;
}

export const value = (x: Numeric): number | null | undefined => (typeof x === 'string' ? Number(x) : x);

export function number(raw: Numeric): string {
  const x = value(raw);
  if (x === null || x === undefined) {
    return 'unknown';
  }
  if (Number.isNaN(x)) {
    return 'NaN';
  }
  if (!Number.isFinite(x)) {
    return x > 0 ? '+Inf' : '-Inf';
  }
  const [mantissa, tail] = x.toExponential(3).split('e');
  const exponent = Number(tail);
  if (exponent < -4 || exponent >= 6) {
    return `${trim(mantissa)}e${exponent}`;
  }
  return trim((exponent < 4 ? Number(x.toExponential(3)) : x).toFixed(Math.max(0, 3 - exponent)));
}

export const amount = (n: number): string => Number(n).toLocaleString('en-US');
export const many = (n: number, noun: string): string => `${amount(n)} ${noun}${n === 1 ? '' : 's'}`;
const digits = (x: number) => (x < 100 ? trim(x.toFixed(1)) : x.toFixed(0));

export function memory(bytes: number): string {
  let x = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (x < 999.5) {
      return `${digits(x)} ${unit}`;
    }
    x /= 1000;
  }
  return `${digits(x)} TB`;
}

export function duration(raw: Numeric): string {
  const s = value(raw);
  if (s === null || s === undefined || !Number.isFinite(s)) {
    return 'an unknown time';
  }
  return s >= 1 ? `${digits(s)} s` : s >= 1e-3 ? `${digits(s * 1000)} ms` : 'under 1 ms';
}

export const sizes = (shape: number[]): string => `[${shape.slice(0, 8).join(', ')}${shape.length > 8 ? ', …' : ''}]`;

export const tensor = ({ dtype, shape, device }: Pick<TensorSummary, 'dtype' | 'shape' | 'device'>): string =>
  `${label(dtype)}${shape.length ? sizes(shape) : ''}, ${label(device)}`;

export const index = (at: number[]): string => (at.length ? sizes(at) : '');
export const listed = (words: string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
export const joined = (words: (string | false | 0 | null | undefined)[]): string => words.filter(Boolean).join(', ');
export const isAre = (n: number): string => (n === 1 ? 'is' : 'are');
