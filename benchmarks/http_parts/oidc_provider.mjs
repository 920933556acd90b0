// The peer: node oidc-provider with an adapter in memory, a machine, an application and refresh tokens for it.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [port, format, families, modules] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const issuer = `http://127.0.0.1:${port}`;
const secret = 'wcs_' + 'k'.repeat(43);
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const client = (client_id, grant_types) => ({
  client_id, client_secret: secret, grant_types, redirect_uris: ['https://app.example.test/callback'],
  response_types: grant_types.includes('authorization_code') ? ['code'] : [],
  id_token_signed_response_alg: 'ES256',
});
// Its own adapter in memory keeps a thousand things and forgets the rest, grants among them; this one keeps all it is given.
class Kept {
  static held = new Map();
  static grants = new Map();
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) {
    Kept.held.set(this.key(id), payload);
    if (!payload.grantId) return;
    if (!Kept.grants.has(payload.grantId)) Kept.grants.set(payload.grantId, []);
    Kept.grants.get(payload.grantId).push(this.key(id));
  }
  async find(id) { return Kept.held.get(this.key(id)); }
  async findByUid() { return undefined; }
  async findByUserCode() { return undefined; }
  async consume(id) { Kept.held.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { Kept.held.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const key of Kept.grants.get(grantId) ?? []) Kept.held.delete(key);
    Kept.grants.delete(grantId);
  }
}
const provider = new Provider(issuer, {
  adapter: Kept,
  clients: [client('robot', ['client_credentials']), client('app', ['authorization_code', 'refresh_token'])],
  jwks: { keys: [{ ...key, use: 'sig', alg: 'ES256' }] },
  cookies: { keys: ['k'] },
  rotateRefreshToken: true,
  findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => 'urn:api',
      useGrantedResource: async () => true,
      getResourceServerInfo: async () => ({
        scope: 'read', audience: 'urn:api', accessTokenFormat: format, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('grant.error', (_context, error) => console.error(error.error_detail));
provider.on('server_error', (_context, error) => console.error(error));
const tokens = [];
const app = await provider.Client.find('app');
for (let n = 0; n < Number(families); n += 1) {
  const grant = new provider.Grant({ accountId: 'ada', clientId: 'app' });
  grant.addResourceScope('urn:api', 'read');
  grant.addOIDCScope('offline_access');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId: 'ada', client: app, grantId, gty: 'authorization_code', scope: 'offline_access read',
    resource: 'urn:api', authTime: Math.floor(Date.now() / 1000), iat: Math.floor(Date.now() / 1000),
    expiresWithSession: false, rotations: 0,
  });
  tokens.push(await token.save());
}
const serve = provider.callback();
createServer((request, response) => {
  if (request.url === '/healthz') response.end(JSON.stringify(tokens));
  else serve(request, response);
}).listen(Number(port), '127.0.0.1');
