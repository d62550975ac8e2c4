/**
 * A finding as Markdown, and text into the clipboard.
 */
import type { Finding, Report } from '../contract';
import { h } from './elements';
import { codeLines, joined, label, prose } from './spelling';
import { about, HEADINGS, occurrence, operand, operandsShown, originSentence, since, verified, what } from './wording';

/** Whether `text` is in the clipboard now. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard API outside a secure context (plain http on another host): the old way, with a selection.
    const before = document.activeElement as HTMLElement | null;
    const area = h('textarea', { class: 'ng-hidden', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    before?.focus();
    return done;
  }
}

const plain = (text: string) => text.replace(/[\\`*_{}[\]<>#|~!$]/g, '\\$&').replace(/@/g, '&#64;');

function fence(language: string, lines: string[]): string {
  const longest = Math.max(2, ...lines.flatMap(line => (line.match(/`+/g) ?? []).map(ticks => ticks.length)));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}${language}\n${lines.join('\n')}\n${ticks}`;
}

/** For an issue or a chat: the user's text only in code, so that it formats nothing. */
export function toMarkdown(report: Report, finding: Finding): string {
  const out = [`**${plain(what(finding))}** ${plain(since(finding, report))} (${plain(about(finding))})`];
  const { origin } = finding;
  if (origin) {
    const facts = [
      `origin: ${joined([originSentence(origin), occurrence(origin)])}`,
      ...operandsShown(origin).map(operand)
    ];
    out.push(fence('python', codeLines(origin.code)), facts.map(line => `- ${plain(line)}`).join('\n'));
  }
  for (const d of finding.diagnoses.slice(0, 3)) {
    const name = `${label(d.category_name)} (${label(d.category)}), ${label(d.rule)} ${label(d.rule_name)}`;
    out.push(`**${HEADINGS.why}:** ${plain(name)}`);
    out.push(...[d.evidence, d.advice].filter(Boolean).map(t => plain(prose(t))));
    if (d.rewrite) {
      const before = codeLines(d.rewrite.before).map(l => `- ${l}`);
      const after = codeLines(d.rewrite.after).map(l => `+ ${l}`);
      out.push(fence('diff', [...before, ...after]), plain(verified(d.rewrite)));
    }
  }
  return out.join('\n\n') + '\n';
}
