/**
 * All executions of the session as a strip: finite, non-finite, and those that numguard did not check.
 */
import type { Context, HistoryEntry } from './context';
import { button, h } from './elements';
import { cell } from './wording';

type State = HistoryEntry['verdict'] | 'unchecked';
interface Mark {
  count: number | null;
  cell_id?: string | null;
  state: State;
}
const WORDS: Record<State, string> = { finite: 'finite', nonfinite: 'non-finite', unchecked: 'not checked' };
const LONGEST = 500; // marks; a gap of a million numbers is no reason to draw them

/** The executions with the gaps between their numbers filled: those numbers ran while nobody looked. */
export function marksOf(history: HistoryEntry[]): Mark[] {
  const marks: Mark[] = [];
  let last: number | null = history.length < LONGEST ? 0 : null;
  for (const { count, cell_id, verdict } of history) {
    if (count !== null && last !== null) {
      for (let gap = Math.max(last + 1, count - LONGEST); gap < count; gap++) {
        marks.push({ count: gap, state: 'unchecked' });
      }
    }
    marks.push({ count, cell_id, state: verdict });
    last = count ?? last;
  }
  return marks.slice(-LONGEST);
}

export function strip(context: Context, history: HistoryEntry[]): HTMLElement[] {
  if (history.length < 2) {
    return [];
  }
  const { t, actions } = context;
  const goTo = actions.goTo;
  const marks = marksOf(history);
  const go = (mark: Mark) =>
    goTo?.({ execution: { count: mark.count, cell_id: mark.cell_id ?? null }, file: null, line: 1 });
  const items = marks.map((mark, i) => {
    const words = `${cell(mark)}: ${t(WORDS[mark.state])}`;
    const text = h('span', { class: 'ng-hidden' }, words);
    // One tab stop for all of them; the arrow keys move inside.
    const inside = goTo
      ? h(
          'button',
          {
            class: 'ng-mark',
            type: 'button',
            tabindex: i === marks.length - 1 ? 0 : -1,
            'data-ng': `mark ${mark.count}`,
            onclick: () => go(mark)
          },
          text
        )
      : text;
    return h('li', { class: `ng-${mark.state}`, title: words }, inside);
  });
  const list = h('ol', { class: 'ng-strip', 'aria-label': t('Executions, oldest first'), onkeydown: move }, items);
  const first = marks.find(mark => mark.state === 'nonfinite');
  const words = first && `${t('First bad cell')}: ${cell(first)}`;
  return [
    list,
    ...(words
      ? [h('div', { class: 'ng-first ng-q' }, goTo ? button('first bad', () => go(first), words, 'ng-plain') : words)]
      : [])
  ];
}

function move(event: KeyboardEvent): void {
  const list = event.currentTarget as HTMLElement;
  const marks = [...list.querySelectorAll<HTMLElement>('button')];
  const at = marks.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: marks.length - 1 }[event.key];
  if (to === undefined || at < 0 || !marks[to]) {
    return;
  }
  event.preventDefault();
  marks[at].tabIndex = -1;
  marks[to].tabIndex = 0;
  marks[to].focus();
}
