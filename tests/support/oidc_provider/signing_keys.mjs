// The provider's private signing keys, in order: the first that fits an algorithm is its default.

import { generateKeyPair, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

const RSA = ['rsa', { modulusLength: 2048 }];
const KINDS = {
  RS256: RSA,
  PS256: RSA,
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  Ed25519: ['ed25519', {}],
};

// One Ed25519 key serves both names of the algorithm, so it carries no `alg`.
const family = (alg) => (alg === 'EdDSA' ? 'Ed25519' : alg);

export const ASYMMETRIC = [...Object.keys(KINDS), 'EdDSA'];

// HMAC keys are shared with the resource server and never published.
export const SECRETS = Object.fromEntries(
  [['HS256', 32], ['HS384', 48], ['HS512', 64]].map(([alg, size]) => [alg, randomBytes(size)]),
);

async function newKey(alg) {
  const name = family(alg);
  if (!(name in KINDS)) throw new Error(`no signing key of algorithm ${alg}`);
  const { privateKey } = await generate(...KINDS[name]);
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: `${name}-${randomUUID()}`, use: 'sig' };
  return name === 'Ed25519' ? jwk : { ...jwk, alg: name };
}

const serves = (jwk, alg) => (jwk.alg ?? jwk.crv) === family(alg);

export class SigningKeys {
  static async generated() {
    return new SigningKeys(await Promise.all(['RS256', ...Object.keys(KINDS)].map(newKey)));
  }

  constructor(jwks) {
    this.initial = jwks;
    this.jwks = jwks;
  }

  defaultFor(alg) {
    return this.jwks.find((jwk) => serves(jwk, alg))?.kid;
  }

  async rotate(alg, keepOld) {
    const previous = this.defaultFor(alg);
    const fresh = await newKey(alg);
    this.jwks = [fresh, ...this.jwks.filter((jwk) => keepOld || jwk.kid !== previous)];
    return { kid: fresh.kid, previous };
  }

  drop(kid) {
    const left = this.jwks.filter((jwk) => jwk.kid !== kid);
    if (left.length === this.jwks.length) throw new Error(`no key ${kid}`);
    this.jwks = left;
  }

  reset() {
    this.jwks = this.initial;
  }
}
