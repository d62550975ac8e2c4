/**
 * Why, and what to write instead.
 */
import type { Finding, RewriteAdvice } from '../contract';
import type { Context } from './context';
import { button, Child, code, h, link, quiet, section, sentence } from './elements';
import { exponentsPicture } from './pictures';
import { codeLines, label, prose } from './spelling';
import { exponentsSentence, HEADINGS, verified } from './wording';

export function reasons(context: Context, finding: Finding): Child[] {
  const parts = finding.diagnoses.slice(0, 3).flatMap((d, i): Child[] => {
    const name = `${label(d.rule)} ${label(d.rule_name)}`;
    const isPage = /^https?:\/\//.test(d.docs);
    const page = { href: d.docs, target: '_blank', rel: 'noopener noreferrer', 'data-ng': `docs ${i}` };
    return [
      section(
        context.t(HEADINGS.why),
        h('b', null, label(d.category_name)),
        ' ',
        h('span', { class: 'ng-chip' }, label(d.category)),
        ' ',
        h('span', { class: 'ng-chip' }, isPage ? h('a', page, name) : name),
        [d.evidence, d.advice].filter(Boolean).map(text => h('p', null, sentence(prose(text)))),
        i === 0 && exponents(finding)
      ),
      d.rewrite && rewrite(context, d.rewrite, i)
    ];
  });
  if (parts.length) {
    return parts;
  }
  const picture = exponents(finding);
  return picture ? [section(context.t(HEADINGS.operands), picture)] : [];
}

function exponents(finding: Finding): HTMLElement | null {
  for (const summary of finding.origin?.operands ?? []) {
    const picture = exponentsPicture(summary);
    if (picture) {
      return h('div', null, quiet(exponentsSentence(summary)), picture);
    }
  }
  return null;
}

/** The lines of a rewrite: what goes, what comes. */
export function difference(before: string, after: string): HTMLElement {
  return h(
    'pre',
    { class: 'ng-diff', dir: 'ltr' },
    codeLines(before).map(line => h('span', { class: 'ng-before' }, `- ${line}\n`)),
    codeLines(after).map(line => h('span', { class: 'ng-after' }, `+ ${line}\n`))
  );
}

function rewrite(context: Context, advice: RewriteAdvice, i: number): HTMLElement {
  const { t } = context;
  const glyph = advice.verified ? '✓ ' : '? ';
  return section(
    t(HEADINGS.rewrite),
    difference(advice.before, advice.after),
    quiet(
      h('span', { class: advice.verified ? 'ng-ok' : 'ng-q', 'aria-hidden': 'true' }, glyph),
      sentence(verified(advice))
    ),
    h(
      'div',
      { class: 'ng-buttons' },
      applyButton(context, advice, i),
      button(`copy rewrite ${i}`, () => void context.copy(advice.after), t('Copy'))
    )
  );
}

function applyButton({ actions, t }: Context, { edits }: RewriteAdvice, i: number): HTMLElement | null {
  const apply = actions.apply;
  if (!apply || !edits.length) {
    return null;
  }
  const made = button(`apply ${i}`, () => apply(edits), t('Apply…'), 'ng-main');
  if (actions.canApply && !actions.canApply(edits)) {
    made.setAttribute('disabled', '');
    made.title = t('The cell no longer holds this text.');
  }
  return made;
}

/** What can be done about a finding by typing, or by a click where the place can run it. */
export function hints(context: Context, finding: Finding): HTMLElement {
  const { mute } = context.actions;
  const rule = finding.diagnoses[0]?.rule;
  const command = (key: string, text: string) =>
    link(key, () => void context.copy(text), { title: context.t('Copy this command') }, code(label(text)));
  return h(
    'div',
    { class: 'ng-notes ng-q' },
    rule && ['The rule in full: ', command('explain', `%numguard explain ${rule}`), '. '],
    'Meant so: ',
    command('mute', `%numguard mute ${finding.variable}`),
    '.',
    mute && [' ', button('mute now', () => mute(finding.variable), context.t('Mute'))]
  );
}
