// Where marks and edits go, in cells that may have changed since they ran; and the history strip.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Edit, Origin } from '../src/contract';
import { changeOf } from '../src/change';
import { locate } from '../src/locate';
import { marksOf } from '../src/view/strip';

const SOURCE = 'p = z.softmax(-1)\nlogp = torch.log(p)';
const span = { line: 2, column: 7, end_line: 2, end_column: 19, text: 'torch.log(p)' };
const origin = { line: 2, code: 'logp = torch.log(p)', span } as Origin;
const text = (source: string, at: { from: number; to: number } | null) => at && source.slice(at.from, at.to);

test('the guilty expression is found, also after lines were put above', () => {
  assert.equal(text(SOURCE, locate(SOURCE, origin)), 'torch.log(p)');
  assert.equal(text(`%%numguard\n\n${SOURCE}`, locate(`%%numguard\n\n${SOURCE}`, origin)), 'torch.log(p)');
});

test('a statement that is gone has no mark, one without a span is marked as a whole', () => {
  assert.equal(locate('p = z.softmax(-1)\nlogp = torch.log_softmax(z, -1)', origin), null);
  assert.equal(text(SOURCE, locate(SOURCE, { ...origin, span: null })), 'logp = torch.log(p)');
  assert.equal(locate('', { ...origin, code: '' }), null);
});

test('columns count characters, not UTF-16 units', () => {
  const line = 'π𝛑 = "𝛑𝛑"; y = log(x)';
  const at = { line: 1, column: 15, end_line: 1, end_column: 21, text: 'log(x)' };
  assert.equal(text(line, locate(line, { ...origin, line: 1, code: line, span: at })), 'log(x)');
});

const edit = { line: 1, end_line: 2, before: SOURCE, after: 'logp = z.log_softmax(-1)' } as Edit;

test('an edit replaces exactly its text', () => {
  assert.deepEqual(changeOf(SOURCE + '\nx', edit), { from: 0, to: SOURCE.length, insert: edit.after });
  const part = { ...edit, line: 2, end_line: 2, before: 'torch.log(p)', after: 'q' };
  assert.deepEqual(changeOf(SOURCE, part), { from: 25, to: 37, insert: 'q' });
});

test('an edit whose text is not there, or there twice, is refused', () => {
  assert.equal(changeOf(SOURCE.replace('softmax', 'sigmoid'), edit), null);
  assert.equal(changeOf('', edit), null);
  assert.equal(changeOf('a a', { ...edit, line: 1, end_line: 1, before: 'a' }), null);
});

test('numbers that were never told of are drawn as not checked', () => {
  const history = [2, 3, 6].map(count => ({ count, verdict: 'finite' as const }));
  assert.deepEqual(
    marksOf(history).map(m => `${m.count} ${m.state}`),
    ['1 unchecked', '2 finite', '3 finite', '4 unchecked', '5 unchecked', '6 finite']
  );
  assert.equal(marksOf([{ count: 1e9, verdict: 'finite' }]).length, 500);
});
