// The provider's configuration: clients, people, resources, and what its tokens say.

import { createPublicKey, createSecretKey, randomBytes } from 'node:crypto';

import { Provider } from 'oidc-provider';

import { ASYMMETRIC, SECRETS } from './signing_keys.mjs';
import { Storage } from './storage.mjs';

const SCOPES = 'reports:read reports:write invoices:read';
const REDIRECT_URI = 'https://client.example.test/callback';
const SERVICE = { roles: ['analyst'], tenant: 'acme', acr: 'urn:example:loa:1' };
const PEOPLE = {
  ada: { roles: ['admin'], tenant: 'acme', acr: 'urn:example:loa:2' },
  grace: { roles: ['analyst'], tenant: 'acme', acr: 'urn:example:loa:1' },
  linus: { roles: ['viewer'], tenant: 'acme', acr: 'urn:example:loa:1' },
  eve: { roles: ['admin'], tenant: 'globex', acr: 'urn:example:loa:1' },
};
const cookieKeys = [randomBytes(32).toString('hex')];
const nonceSecret = randomBytes(32);
const now = () => Math.floor(Date.now() / 1000);

const service = {
  client_id: 'service',
  client_secret: 'service-secret-of-the-tests',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
};
const application = (alg) => ({
  client_id: `app-${alg}`,
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: [REDIRECT_URI],
  id_token_signed_response_alg: alg,
});

function signing(alg, kid, keys) {
  const secret = SECRETS[alg];
  return secret ? { alg, key: secret } : { alg, kid: kid ?? keys.defaultFor(alg) };
}

function encryption({ jwk, ...algorithms }) {
  const key = jwk.kty === 'oct'
    ? createSecretKey(jwk.k, 'base64url')
    : createPublicKey({ key: jwk, format: 'jwk' });
  return { ...algorithms, kid: jwk.kid, key };
}

// A resource says in its query how its tokens are made; its audience is the URL without the query.
function resourceServer(indicator, keys) {
  const url = new URL(indicator);
  const wish = Object.fromEntries(url.searchParams);
  const jwt = { sign: signing(wish.alg ?? 'RS256', wish.kid, keys) };
  if (wish.encrypt) jwt.encrypt = encryption(JSON.parse(wish.encrypt));
  return {
    audience: indicator.replace(/\?.*/, ''),
    scope: SCOPES,
    accessTokenFormat: wish.format ?? 'jwt',
    accessTokenTTL: Number(wish.ttl ?? 600),
    jwt,
  };
}

function extraClaims(ctx, token) {
  if (token.kind === 'ClientCredentials') {
    return { ...SERVICE, auth_time: now(), ...JSON.parse(ctx.oidc.body.extra_claims ?? '{}') };
  }
  const { AuthorizationCode: code, RefreshToken: refresh } = ctx.oidc.entities;
  return { ...PEOPLE[token.accountId], auth_time: (code ?? refresh).authTime };
}

function features(settings, keys) {
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    dPoP: { enabled: true, nonceSecret, requireNonce: () => settings.requireDpopNonce },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_ctx, indicator) => resourceServer(indicator, keys),
      useGrantedResource: () => true,
    },
  };
}

export function buildProvider(issuer, keys, settings) {
  return new Provider(issuer, {
    adapter: Storage,
    jwks: { keys: keys.jwks },
    clients: [service, ...ASYMMETRIC.map(application)],
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub', 'roles', 'tenant', 'auth_time', 'acr', 'amr'] },
    findAccount: (_ctx, id) => PEOPLE[id] && {
      accountId: id,
      claims: () => ({ sub: id, roles: PEOPLE[id].roles, tenant: PEOPLE[id].tenant }),
    },
    extraTokenClaims: extraClaims,
    features: features(settings, keys),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    rotateRefreshToken: true,
    enabledJWA: { idTokenSigningAlgValues: ASYMMETRIC, dPoPSigningAlgValues: ASYMMETRIC },
    cookies: { keys: cookieKeys },
    ttl: { IdToken: 600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600 },
  });
}

async function answerForm(provider, { params }) {
  const { login_hint: accountId, client_id: clientId, resource } = params;
  const person = PEOPLE[accountId];
  if (!person) return { error: 'access_denied', error_description: 'no such person' };
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope('openid offline_access');
  if (resource) grant.addResourceScope(resource, SCOPES);
  return {
    login: { accountId, acr: person.acr, amr: ['pwd'] },
    consent: { grantId: await grant.save() },
  };
}

// Stands in for a person at a login form: whoever `login_hint` names logs in and consents to all.
export async function finishInteraction(provider, req, res) {
  const form = await provider.interactionDetails(req, res);
  await provider.interactionFinished(req, res, await answerForm(provider, form));
}
