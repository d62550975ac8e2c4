/**
 * How it got there: the lineage as a chain, the origin with its operands, and how the values grew.
 */
import type { Finding, Origin, Report } from '../contract';
import { chainOf, guiltyLines, Row } from './chain';
import { Context, keyOf } from './context';
import { Child, code, h, link, quiet, section } from './elements';
import { growthPicture } from './pictures';
import { firstLine } from './spelling';
import {
  fineSteps,
  growth,
  hasGrown,
  HEADINGS,
  operand,
  operandsShown,
  place,
  Place,
  shortPlace,
  stepNote
} from './wording';

const GLYPHS: Record<Row['mark'], string> = { nonfinite: '✕', origin: '●', finite: '✓', unknown: '?' };

export function story(context: Context, report: Report, finding: Finding): HTMLElement | null {
  const { rows, skipped, folded } = chainOf(finding);
  if (!rows.length) {
    return null;
  }
  const goTo = context.actions.goTo;
  let links = 0;
  const to = (at: Place) =>
    goTo && at.execution
      ? link(
          `go ${links++}`,
          () => goTo(at),
          { class: 'ng-plain ng-at', 'aria-label': `${context.t('Go to')} ${shortPlace(at)}` },
          shortPlace(at)
        )
      : h('span', { class: 'ng-at' }, shortPlace(at));
  const items = rows.flatMap(row => {
    const isOrigin = row.mark === 'origin';
    const text = isOrigin && finding.origin ? guilty(report, finding.origin) : [firstLine(row.step?.code)];
    const item = h(
      'li',
      { class: `ng-${row.mark}` },
      h('span', { class: 'ng-dot', 'aria-hidden': 'true' }, GLYPHS[row.mark]),
      h('div', { class: 'ng-l' }, code(text), ' ', to(row.at)),
      row.notes.map((note, i) => (isOrigin && i === 0 ? originNote(note) : quiet(note))),
      isOrigin && finding.origin && originFacts(finding.origin)
    );
    return isOrigin && skipped ? [h('li', { class: 'ng-gap' }, quiet(`… ${skipped} more`)), item] : [item];
  });
  if (folded.length) {
    const steps = folded
      .slice(0, 50)
      .map(step => h('li', null, code(firstLine(step.code)), ' ', to(step), `, ${stepNote(step)}`));
    const list = h('ul', { class: 'ng-list ng-q' }, steps);
    items.push(h('li', { class: 'ng-gap' }, context.fold(`steps ${keyOf(finding)}`, fineSteps(folded), list)));
  }
  return section(
    context.t(HEADINGS.chain),
    h('ol', { class: 'ng-chain' }, items),
    finding.history &&
      hasGrown(finding.history) &&
      h('div', { class: 'ng-grown' }, quiet(growth(finding.history)), growthPicture(finding.history))
  );
}

const guilty = (report: Report, origin: Origin): Child[] =>
  guiltyLines(report, origin).flatMap(([line, a, b], i) => [
    (i ? '\n' : '') + line.slice(0, a),
    b > a && h('b', { class: 'ng-g' }, line.slice(a, b)),
    line.slice(b)
  ]);

const originNote = (note: string): HTMLElement =>
  h('div', { class: 'ng-made' }, h('b', { class: 'ng-x' }, 'origin'), note.slice('origin'.length));

function originFacts(origin: Origin): HTMLElement | null {
  const items = operandsShown(origin).map(operand);
  items.push(...origin.called_from.map(f => `called from ${place(f)}: ${firstLine(f.code)}`));
  return items.length
    ? h(
        'ul',
        { class: 'ng-list ng-q' },
        items.map(item => h('li', null, item))
      )
    : null;
}
