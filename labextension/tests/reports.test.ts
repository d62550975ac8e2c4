// The view on the golden reports that Python's tests write, without a browser.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { JSDOM } from 'jsdom';
import type { Report } from '../src/contract';
import { toMarkdown } from '../src/view/clipboard';
import { renderReport } from '../src/view/view';
import { finiteLine, since, what } from '../src/view/wording';

const folder = new URL('../../tests/reports/', import.meta.url);
const golden: [string, Report][] = readdirSync(folder)
  .filter(name => name.endsWith('.json'))
  .map(name => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8'))]);

const { window } = new JSDOM('<!doctype html><body></body>');
Object.assign(globalThis, { document: window.document, Node: window.Node, HTMLInputElement: window.HTMLInputElement });

function drawn(report: Partial<Report> | null, actions = {}): HTMLElement {
  const el = document.createElement('div');
  renderReport(el, report, actions);
  return el;
}

for (const [name, report] of golden) {
  test(`${name}: the status says what and since when, and nothing of it is markup`, () => {
    const el = drawn(report);
    const [first] = report.findings.filter(f => f.intended === null);
    const expected = first ? `✕ ${what(first)} ${since(first, report)}` : `✓ ${finiteLine(report)}`;

    assert.ok(el.querySelector('[role=status]')?.textContent?.startsWith(expected), expected);
    assert.equal(el.querySelectorAll('img, script, iframe, style, object').length, 0);
    assert.ok([...el.querySelectorAll('*')].every(e => !e.getAttributeNames().some(a => a.startsWith('on'))));
  });

  test(`${name}: as Markdown, no line of the user's stands outside code unescaped`, () => {
    for (const finding of report.findings) {
      const outside = toMarkdown(report, finding).replace(/(`{3,})[\s\S]*?\1/g, '');
      assert.doesNotMatch(outside, /(^|[^\\])<\w/);
    }
  });
}

test('what cannot be drawn is said in words', () => {
  const broken = { ...golden[0][1], checked: null } as unknown as Report;
  assert.match(drawn({ ...broken, findings: [] }).textContent ?? '', /This report cannot be shown/);
  assert.match(drawn({}).textContent ?? '', /No report yet/);
});

test('Apply is there only where it can be done', () => {
  const report = golden.find(([name]) => name === 'torch_forward_loop.json')![1];
  const button = (actions: object) => drawn(report, actions).querySelector<HTMLButtonElement>('[data-ng^=apply]');

  assert.equal(button({}), null);
  assert.equal(button({ apply: () => undefined })?.disabled, false);
  assert.equal(button({ apply: () => undefined, canApply: () => false })?.disabled, true);
});

test('What stands between backticks is code, and no markup', () => {
  const report = structuredClone(golden.find(([name]) => name === 'torch_forward_loop.json')![1]);
  report.findings[0].diagnoses[0].evidence = '`a<b>` meets `c`; a lone ` stays.';
  const paragraph = drawn(report).querySelector('p')!;

  assert.deepEqual(
    [...paragraph.children].map(e => `${e.tagName} ${e.textContent}`),
    ['CODE a<b>', 'CODE c']
  );
  assert.equal(paragraph.textContent, 'a<b> meets c; a lone ` stays.');
});
