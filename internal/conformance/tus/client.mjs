// tus-js-client, which knows nothing of us, uploads files. Standard input has a list
// of them as JSON; for each a line of JSON tells what came of it.
import { readFileSync } from 'node:fs';
import * as tus from 'tus-js-client';

function upload(job) {
  return new Promise((resolve) => {
    const told = { offsets: [], retries: 0 };
    const file = readFileSync(job.file);
    const client = new tus.Upload(file, {
      endpoint: job.endpoint,
      uploadUrl: job.uploadUrl,
      uploadSize: file.length,
      chunkSize: job.chunkSize || Infinity,
      metadata: job.metadata,
      headers: job.headers ?? {},
      uploadDataDuringCreation: job.atOnce ?? false,
      retryDelays: job.retryDelays ?? [50, 100, 200, 400, 800],
      onChunkComplete: (_size, accepted) => told.offsets.push(accepted),
      onShouldRetry: (err) => {
        told.retries++;
        const status = err.originalResponse?.getStatus() ?? 0;
        return status < 400 || status >= 500 || status === 409 || status === 423; // the client's own rule
      },
      onAfterResponse: (_req, res) => {
        told.resource = res.getHeader('Asc-Upload-Resource') ?? told.resource;
        told.storage = res.getHeader('Asc-Upload-Storage') ?? told.storage;
      },
      onError: (err) => resolve({ ...told, url: client.url, error: String(err) }),
      onSuccess: async () => {
        if (job.terminate) {
          await client.abort(true);
        }
        resolve({ ...told, url: client.url });
      },
    });
    client.start();
  });
}

for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  console.log(JSON.stringify({ name: job.name, ...(await upload(job)) }));
}
