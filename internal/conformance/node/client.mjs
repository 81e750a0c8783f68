// A third-party client of Apple's API works against the gateway by its base URL
// alone. It signs as it would for Apple, with a key that only the gateway knows.
import assert from 'node:assert';
import { api } from 'node-app-store-connect-api';

const { GATEWAY: urlBase, KEY_ID: apiKey, PRIVATE_KEY: privateKey } = process.env;
const asc = await api({ issuerId: '57246542-96fe-1a63-e053-0824d011072a', apiKey, privateKey, urlBase, automaticRetries: 0 });

// Pages: the links of every answer lead back to the gateway.
const testers = await asc.fetchJson('betaTesters?limit=5');
assert.ok(testers.length > 5, `${testers.length} testers`);

// Included resources, as a tree.
const { data: builds, included } = await asc.readAll('builds?include=app&limit=2');
assert.ok(included.apps[builds[0].relationships.app.data.id].attributes.bundleId);

// Create, update, delete.
const app = included.apps[builds[0].relationships.app.data.id];
const group = await asc.create({ type: 'betaGroups', attributes: { name: 'From Node' }, relationships: { app } });
const renamed = await asc.update(group, { attributes: { name: 'Renamed' } });
assert.equal(renamed.attributes.name, 'Renamed');
await asc.remove(group);
await assert.rejects(asc.read(`betaGroups/${group.id}`), (e) => e.data.errors[0].code === 'NOT_FOUND');

// An upload: reserved through the gateway, sent to where Apple says.
const [set] = await asc.fetchJson(`appStoreVersionLocalizations/${(await asc.fetchJson(
    `appStoreVersions/${(await asc.fetchJson(`apps/${app.id}/appStoreVersions`))[0].id}/appStoreVersionLocalizations`))[0].id}/appScreenshotSets`);
const bytes = Buffer.from('not really a picture');
const shot = await asc.create({ type: 'appScreenshots', attributes: { fileName: 'a.png', fileSize: bytes.length }, relationships: { appScreenshotSet: set } });
await asc.uploadAsset(shot, bytes);
await asc.pollForUploadSuccess(`appScreenshots/${shot.id}`, '', 50);

// Another API version, and a refusal of Apple's as it is.
await assert.rejects(asc.read('apps?limit=900'), (e) => e.data.errors[0].code.startsWith('PARAMETER_ERROR'));
console.log(`ok: ${testers.length} testers, ${builds.length} builds`);
