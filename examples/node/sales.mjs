// Saves yesterday's sales report. Over REST, with nothing but fetch.
//
//   node sales.mjs --gateway http://127.0.0.1:8080 --vendor 80000000 --out report.txt.gz
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const { values: flags } = parseArgs({ options: { gateway: { type: 'string', default: 'http://127.0.0.1:8080' }, vendor: { type: 'string', default: '80000000' }, out: { type: 'string', default: 'report.txt.gz' } } });
const day = new Date(Date.now() - 24 * 3600 * 1000).toISOString().slice(0, 10);
const query = new URLSearchParams({ 'filter[vendorNumber]': flags.vendor, 'filter[reportType]': 'SALES', 'filter[reportSubType]': 'SUMMARY', 'filter[frequency]': 'DAILY', 'filter[reportDate]': day });

for (let attempt = 1; ; attempt += 1) {
  const res = await fetch(`${flags.gateway}/v1/salesReports?${query}`, { headers: { 'Asc-Priority': 'batch' } });
  if (res.ok) {
    const bytes = Buffer.from(await res.arrayBuffer());
    await writeFile(flags.out, bytes);
    const [head, ...rows] = gunzipSync(bytes).toString('utf8').trim().split('\n');
    console.log(`${flags.out}: ${bytes.length} bytes, ${head.split('\t').length} columns, ${rows.length} rows for ${day}`);
    break;
  }
  const wait = Number(res.headers.get('retry-after') ?? 0);
  if (attempt > 3 || ![429, 503].includes(res.status) || !wait) {
    const status = await res.json();
    throw new Error(`${res.status}: ${status.message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, wait * 1000));
}
