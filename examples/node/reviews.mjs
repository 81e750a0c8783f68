// Reads the reviews of the first app, and answers those that nobody has answered. Over gRPC, with
// clients made at run time from the folder that `gateway protos --out DIR` writes.
//
//   node reviews.mjs --gateway 127.0.0.1:9090 --protos DIR
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const { values: flags } = parseArgs({ options: { gateway: { type: 'string', default: '127.0.0.1:9090' }, protos: { type: 'string' } } });
const definition = loader.loadSync(['asc/metadata/v1/apps.proto', 'asc/metadata/v1/customer_review_responses.proto'],
  { includeDirs: [flags.protos], longs: String, enums: String, keepCase: false, defaults: false });
const { asc } = grpc.loadPackageDefinition(definition);

const metadata = new grpc.Metadata();
metadata.set('asc-priority', 'batch');

// call makes a unary call, and repeats it once where the gateway says when.
function call(client, method, request) {
  return new Promise((resolve, reject) => client[method](request, metadata, { deadline: Date.now() + 60_000 }, (err, res) => (err ? reject(err) : resolve(res))));
}

const channel = [flags.gateway, grpc.credentials.createInsecure()];
const apps = new asc.metadata.v1.AppsService(...channel);
const responses = new asc.metadata.v1.CustomerReviewResponsesService(...channel);

const [app] = (await call(apps, 'listApps', { pageSize: 1 })).apps;
let pageToken = '';
let read = 0;
let answered = 0;
do {
  const page = await call(apps, 'listAppCustomerReviews', { id: app.id, pageSize: 50, pageToken, include: ['response'] });
  for (const review of page.customerReviews ?? []) {
    read += 1;
    if (review.response?.id) continue;
    const res = await call(responses, 'createCustomerReviewResponse',
      { review: { id: review.id }, responseBody: `Thank you, ${review.reviewerNickname}: we are looking into it.`, requestId: `answer-${review.id}` });
    answered += 1;
    console.log(`${'★'.repeat(review.rating)} ${review.title}: answered (${res.customerReviewResponseV1.id})`);
  }
  pageToken = page.nextPageToken ?? '';
} while (pageToken);
console.log(`${app.name}: ${read} reviews read, ${answered} answered`);
apps.close();
responses.close();
