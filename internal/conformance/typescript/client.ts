// A client whose types come from the gateway's own documents. That it compiles is
// half of the test: each @ts-expect-error is a mistake that must not compile. The
// other half is that it runs: typescript_test.go starts it before a sandbox.
import createClient from 'openapi-fetch';
import type { paths as TestFlight } from './generated/testflight.js';
import type { paths as Metadata } from './generated/metadata.js';
import type { paths as Gateway } from './generated/gateway.js';

declare const process: { argv: string[] };
declare const console: { log(text: string): void };

const baseUrl = process.argv[2]!;
const headers = { 'Asc-Priority': 'interactive' };
// The documents say explode: false; openapi-fetch wants to be told.
const querySerializer = { array: { style: 'form', explode: false } } as const;
const testflight = createClient<TestFlight>({ baseUrl, headers, querySerializer });
const metadata = createClient<Metadata>({ baseUrl, headers, querySerializer });
const gateway = createClient<Gateway>({ baseUrl });

function check(ok: unknown, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

// What must not compile. It is never run.
export async function mistakes(id: string) {
  const path = { id };
  // @ts-expect-error a create needs its name and its app
  await testflight.POST('/v1/betaGroups', { body: {} });
  // @ts-expect-error a create needs a body
  await testflight.POST('/v1/betaGroups', {});
  // @ts-expect-error and its app must be named
  await testflight.POST('/v1/betaGroups', { body: { name: 'x', app: {} } });
  // @ts-expect-error some creates need one of several combinations
  await metadata.POST('/v1/appAssetLibraryPlacements', { body: {} });
  // @ts-expect-error the name is no number
  await testflight.PATCH('/v1/betaGroups/{id}', { params: { path }, body: { name: 1 } });
  // @ts-expect-error no such platform
  await metadata.POST('/v1/appStoreVersions', { body: { platform: 'ANDROID', versionString: '1', app: { id } } });
  // @ts-expect-error no such state to filter by
  await testflight.GET('/v1/builds', { params: { query: { 'filter[processingState]': ['DONE'] } } });
  // @ts-expect-error no such relationship
  await testflight.GET('/v1/builds', { params: { query: { include: ['apps'] } } });
  // @ts-expect-error no such field
  await testflight.GET('/v1/builds', { params: { query: { 'fields[builds]': ['versions'] } } });
  // @ts-expect-error a required filter is missing
  await metadata.GET('/v1/apps/{id}/appStoreVersions');
  // @ts-expect-error no such class
  await testflight.GET('/v1/builds', { params: { header: { 'Asc-Priority': 'urgent' } } });
}

// Lists are joined by commas.
const builds = await testflight.GET('/v1/builds', {
  params: { query: { 'filter[processingState]': ['VALID', 'PROCESSING'], include: ['app', 'betaGroups'], 'fields[builds]': ['version', 'app'], sort: ['-uploadedDate'], limit: 2 } },
});
check(builds.data?.builds?.length === 2, `builds: ${JSON.stringify(builds.error)}`);
const app = builds.data.included?.apps?.[0];
check(app?.bundleId, 'the included app');

// A create, and a field of three states: set, cleared, left alone. No cast.
const created = await testflight.POST('/v1/betaGroups', { body: { name: 'From TypeScript', app: { id: app.id }, publicLinkLimit: 5, publicLinkLimitEnabled: true } });
const id = created.data?.betaGroup?.id;
check(id && created.data?.betaGroup?.publicLinkLimit === 5, `create: ${JSON.stringify(created.error)}`);
const cleared = await testflight.PATCH('/v1/betaGroups/{id}', { params: { path: { id } }, body: { publicLinkLimit: null } });
check(cleared.data?.betaGroup && cleared.data.betaGroup.publicLinkLimit === undefined, `clear: ${JSON.stringify(cleared.error ?? cleared.data)}`);
check(cleared.data.betaGroup.name === 'From TypeScript', 'the rest is left alone');
const set = await testflight.PATCH('/v1/betaGroups/{id}', { params: { path: { id } }, body: { publicLinkLimit: 7 } });
check(set.data?.betaGroup?.publicLinkLimit === 7, `set: ${JSON.stringify(set.error)}`);

// A to-one relationship is detached by null.
const versions = await metadata.GET('/v1/apps/{id}/appStoreVersions', { params: { path: { id: app.id } } });
const version = versions.data?.appStoreVersions?.[0];
check(version, `versions: ${JSON.stringify(versions.error)}`);
const detached = await metadata.PATCH('/v1/appStoreVersions/{id}/relationships/build', { params: { path: { id: version.id } }, body: { build: null, validateOnly: true } });
check(detached.response.ok, `detach: ${JSON.stringify(detached.error)}`);

// Errors are typed too: the first ErrorInfo holds the reason.
const missing = await testflight.GET('/v1/betaGroups/{id}', { params: { path: { id: 'nowhere' } } });
const info = missing.error?.details?.find((d) => d['@type'] === 'type.googleapis.com/google.rpc.ErrorInfo');
check(missing.response.status === 404 && info?.reason === 'NOT_FOUND', `an error: ${JSON.stringify(missing.error)}`);

// The gateway's own services.
const quota = await gateway.GET('/ascgateway/v1/quota');
check(quota.response.ok && (quota.data?.keys ?? []).every((k) => k.keyId), `quota: ${JSON.stringify(quota.error)}`);

await testflight.DELETE('/v1/betaGroups/{id}', { params: { path: { id } } });
console.log(`ok: ${builds.data.builds.length} builds, group ${id}`);
