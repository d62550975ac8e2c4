/**
 * The view of a report: no dependency, no network, text as text. Drawn by the widget, by stored outputs and by the side panel.
 *
 * `renderReport` may be called again on the same element: the focus, open folds, sorting and the chosen row stay.
 * Sentences and pictures are those of `render/` in Python; tests/browser compares the two.
 */
import type { Finding, Report } from '../contract';
import { Actions, Context, keyOf, State } from './context';
import { toMarkdown } from './clipboard';
import { button, Child, code, h, quiet } from './elements';
import { hints, reasons } from './reasons';
import { unlessPressed } from './press';
import { label } from './spelling';
import { story } from './story';
import { strip } from './strip';
import { table } from './table';
import { about, blindSpots, ending, finiteLine, nextStep, since, what } from './wording';

export type { Actions, HistoryEntry } from './context';

interface View {
  strip: HTMLElement;
  status: HTMLElement;
  body: HTMLElement;
  state: State;
}
const views = new WeakMap<HTMLElement, View>();

/** Draw `report` into `el`, or draw it again. Never throws: what cannot be drawn is said in words. */
export function renderReport(el: HTMLElement, report: Partial<Report> | null, actions: Actions = {}): void {
  const view = views.get(el) ?? makeView(el, actions);
  const draw = () => {
    const focused = focusOf(el);
    try {
      drawReport(view, report, new Context(view.state, actions, draw));
    } catch (error) {
      view.status.className = 'ng-calm';
      view.status.replaceChildren(`This report cannot be shown: ${label((error as Error).message)}`);
      view.body.replaceChildren();
    }
    focused();
  };
  unlessPressed(el, draw);
}

function makeView(el: HTMLElement, actions: Actions): View {
  const status = h('div', { role: 'status' });
  const body = h('div');
  const said = h('div', { role: 'status', class: 'ng-hidden' });
  const top = h('div');
  const name = actions.translate?.('numguard report') ?? 'numguard report';
  el.replaceChildren(h('div', { class: 'jp-Numguard', role: 'region', 'aria-label': name }, top, status, body, said));
  const state: State = { open: new Map(), sort: null, filter: '', selected: null, said };
  const view = { strip: top, status, body, state };
  views.set(el, view);
  return view;
}

/** Choose the finding of this variable; drawn at the next `renderReport`. */
export function select(el: HTMLElement, finding: Finding): void {
  const view = views.get(el);
  if (view) {
    view.state.selected = keyOf(finding);
  }
}

/** Remember what has the focus; the function returned gives it back to the element that took its place. */
function focusOf(el: HTMLElement): () => void {
  const active = (el.getRootNode() as Document).activeElement as HTMLElement | null;
  const key = active && el.contains(active) ? active.dataset.ng : undefined;
  const selection = active instanceof HTMLInputElement ? [active.selectionStart, active.selectionEnd] : null;
  return () => {
    const next = key && [...el.querySelectorAll<HTMLElement>('[data-ng]')].find(e => e.dataset.ng === key);
    if (!next) {
      return;
    }
    next.focus({ preventScroll: true });
    if (selection) {
      (next as HTMLInputElement).setSelectionRange(selection[0], selection[1]);
    }
  };
}

function setText(element: HTMLElement, className: string, ...children: Child[]): void {
  // A live region speaks when its text changes: the element stays, and is left alone where it says the same.
  const fresh = h('div', null, ...children);
  element.className = className;
  if (element.textContent !== fresh.textContent) {
    element.replaceChildren(...fresh.childNodes);
  }
}

function drawReport(view: View, report: Partial<Report> | null, context: Context): void {
  const at = view.strip.firstElementChild?.scrollLeft;
  view.strip.replaceChildren(...strip(context, context.actions.history ?? []));
  if (view.strip.firstElementChild) {
    // The newest are seen, unless the reader went to look at others.
    view.strip.firstElementChild.scrollLeft = at ?? 1e6;
  }
  if (!report?.execution) {
    const words = context.t('No report yet. Put this on top of a cell and run it:');
    setText(view.status, 'ng-calm', words, ' ', code('%%numguard'));
    view.body.replaceChildren();
    return;
  }
  drawFindings(view, report as Report, context);
}

function drawFindings({ status, body, state }: View, report: Report, context: Context): void {
  const alarms = report.findings.filter(f => !f.intended);
  const intended = report.findings.filter(f => f.intended);
  const notes = [...blindSpots(report), ending(report), nextStep(report)].filter(Boolean).map(line => quiet(line));
  const below = notes.length ? [h('div', { class: 'ng-notes' }, notes)] : [];
  const finding = alarms.find(f => keyOf(f) === state.selected) ?? alarms[0];
  if (!finding) {
    setText(status, 'ng-calm', h('span', { class: 'ng-ok', 'aria-hidden': 'true' }, '✓ '), finiteLine(report));
    body.replaceChildren(...below, copies(context, report, null));
    return;
  }
  const head = h('b', { class: 'ng-x' }, `✕ ${what(finding)}`);
  setText(status, 'ng-status', head, ` ${since(finding, report)}`, quiet(about(finding)));
  const column = (...children: Child[]) => h('div', { class: 'ng-column' }, ...children);
  body.replaceChildren(
    h(
      'div',
      { class: 'ng-columns' },
      column(table(context, alarms, finding, intended), story(context, report, finding)),
      column(reasons(context, finding))
    ),
    ...below,
    hints(context, finding),
    copies(context, report, finding)
  );
}

function copies(context: Context, report: Report, finding: Finding | null): HTMLElement {
  const { t } = context;
  const json = () => void context.copy(JSON.stringify(report, null, 1));
  return h(
    'div',
    { class: 'ng-actions' },
    finding && button('copy markdown', () => void context.copy(toMarkdown(report, finding)), t('Copy Markdown')),
    button('copy json', json, t('Copy JSON'))
  );
}
