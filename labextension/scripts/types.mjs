// Writes src/contract.ts: the types of a report and of the live channel's messages, from the schemas that Python writes.
import { readFileSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const read = name => JSON.parse(readFileSync(new URL(`../../jupyter_numguard/${name}`, import.meta.url), 'utf8'));
const { $defs: reportParts, ...report } = read('report.schema.json');
const { $defs: liveParts, ...message } = read('live.schema.json');
const contract = {
  title: 'Contract',
  type: 'object',
  $defs: { ...reportParts, ...liveParts },
  properties: { report: { ...report, title: 'Report' }, message: { ...message, title: 'LiveMessage' } },
  required: ['report', 'message']
};
const text = await compile(contract, 'Contract', {
  bannerComment: '// Generated from the schemas in jupyter_numguard/ by scripts/types.mjs; not committed.',
  additionalProperties: false,
  format: false
});
writeFileSync(new URL('../src/contract.ts', import.meta.url), text);
