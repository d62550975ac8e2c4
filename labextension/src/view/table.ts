/**
 * The table of what is non-finite now: sorted, filtered, one row chosen.
 */
import type { Counts, Finding } from '../contract';
import { Child, code, h, link, quiet, section } from './elements';
import { Context, keyOf } from './context';
import { amount, index, joined, label, sizes, tensor } from './spelling';
import { briefCounts, countWords, furtherElements, HEADINGS, intendedLine } from './wording';

const FILTER_ABOVE = 10; // rows
const ROWS_LIMIT = 500;

type Value = (finding: Finding) => string | number;
const share: Value = ({ counts: c }) => (c.nan + c.posinf + c.neginf) / Math.max(1, c.size);
/** Column -> its head, and what it is sorted by. The wide ones are seen where there is room. */
const COLUMNS: Record<string, { head: string; by: Value; isWide?: boolean }> = {
  variable: { head: 'Variable', by: f => f.variable },
  share: { head: 'Non-finite', by: share },
  first: { head: 'First at', by: f => f.first_index[0] ?? -1, isWide: true },
  shape: { head: 'Shape', by: f => f.counts.size, isWide: true },
  dtype: { head: 'Dtype', by: f => f.tensor.dtype, isWide: true },
  device: { head: 'Device', by: f => f.tensor.device, isWide: true }
};
const compare = (a: string | number, b: string | number) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });

function sorted(alarms: Finding[], sort: Context['state']['sort']): Finding[] {
  if (!sort) {
    return alarms;
  }
  const by = COLUMNS[sort.column].by;
  return [...alarms].sort(
    (a, b) => sort.direction * (compare(by(a), by(b)) || -sort.direction * compare(b.variable, a.variable))
  );
}

const wanted = (finding: Finding, words: string): boolean =>
  [finding.variable, finding.tensor.dtype, finding.tensor.device, ...finding.aliases].some(text =>
    text.toLowerCase().includes(words)
  );

function countCells(c: Counts): Child[] {
  const words = countWords(c);
  return words.length
    ? words.flatMap((word, i) => [i ? ', ' : null, h('span', { class: 'ng-count' }, word)])
    : ['non-finite'];
}

export function table(context: Context, alarms: Finding[], selected: Finding, intended: Finding[]): HTMLElement {
  const { state, t } = context;
  const limit = context.actions.maxRows ?? ROWS_LIMIT;
  const words = state.filter.trim().toLowerCase();
  const found = sorted(alarms, state.sort).filter(f => wanted(f, words));
  const rows = found.slice(0, limit).map(f => row(context, f, f === selected && alarms.length > 1));
  const heads = Object.keys(COLUMNS).map(column => header(context, column));
  const scrolls =
    rows.length > FILTER_ABOVE
      ? { class: 'ng-scroll', tabindex: 0, role: 'group', 'aria-label': t(HEADINGS.now), 'data-ng': 'rows' }
      : null;
  return section(
    t(HEADINGS.now),
    alarms.length > FILTER_ABOVE && filter(context, alarms.length),
    h(
      'div',
      scrolls,
      h('table', { class: 'ng-table' }, h('thead', null, h('tr', null, heads)), h('tbody', null, rows))
    ),
    found.length > rows.length && quiet(`and ${amount(found.length - rows.length)} more`),
    !found.length && quiet(t('no variable with this in its name')),
    intended.length > 0 &&
      context.fold(
        'intended',
        intendedLine(intended),
        h(
          'ul',
          { class: 'ng-list ng-q' },
          intended
            .slice(0, limit)
            .map(f => h('li', null, code(label(f.variable)), ` ${briefCounts(f.counts)}: ${label(f.intended)}`))
        )
      )
  );
}

function header(context: Context, column: string): HTMLElement {
  const { state } = context;
  const { head, isWide } = COLUMNS[column];
  const direction = state.sort?.column === column ? state.sort.direction : 0;
  const turn = () => {
    state.sort = direction === -1 ? null : { column, direction: direction === 1 ? -1 : 1 };
    context.redraw();
  };
  const arrow = direction !== 0 && h('span', { 'aria-hidden': 'true' }, direction === 1 ? ' ▲' : ' ▼');
  return h(
    'th',
    {
      scope: 'col',
      class: isWide ? 'ng-wide' : null,
      'aria-sort': direction ? (direction === 1 ? 'ascending' : 'descending') : 'none'
    },
    link(`sort ${column}`, turn, null, context.t(head), arrow)
  );
}

function row(context: Context, f: Finding, isSelected: boolean): HTMLElement {
  const select = () => {
    context.state.selected = keyOf(f);
    context.redraw();
  };
  const aliases = f.aliases.length > 0 && `also ${f.aliases.slice(0, 4).map(label).join(', ')}`;
  const wide = (text: string) => h('td', { class: 'ng-wide' }, text);
  return h(
    'tr',
    { 'aria-current': isSelected && 'true' },
    h(
      'td',
      null,
      h(
        'div',
        { class: 'ng-name' },
        h('span', { class: 'ng-x', 'aria-hidden': 'true' }, '✕ '),
        link(`variable ${keyOf(f)}`, select, null, code(label(f.variable)))
      ),
      h('div', { class: 'ng-q ng-sub' }, joined([tensor(f.tensor), aliases, furtherElements(f)]))
    ),
    h('td', null, countCells(f.counts)),
    wide(index(f.first_index)),
    wide(f.tensor.shape.length ? sizes(f.tensor.shape) : ''),
    wide(label(f.tensor.dtype)),
    wide(label(f.tensor.device))
  );
}

function filter(context: Context, n: number): HTMLElement {
  const input = h('input', {
    type: 'search',
    placeholder: `${context.t('Filter')} ${amount(n)}`,
    'aria-label': context.t('Filter the variables'),
    'data-ng': 'filter',
    oninput: (event: Event) => {
      context.state.filter = (event.target as HTMLInputElement).value;
      context.redraw();
    }
  });
  input.value = context.state.filter;
  return input;
}
