// Counts what is asked of each endpoint, and makes an endpoint slow, broken or silent on command.
// What the test harness itself asks, marked by a header, is neither counted nor hindered.

import { setTimeout as delay } from 'node:timers/promises';

const NAMES = {
  '/jwks': 'jwks',
  '/.well-known/openid-configuration': 'discovery',
  '/.well-known/oauth-authorization-server': 'discovery',
  '/token': 'token',
  '/token/introspection': 'introspection',
  '/token/revocation': 'revocation',
};

export class Endpoints {
  #requests = {};

  #faults = new Map();

  // Resolves to true when the fault has answered the request itself.
  async intercept(req, res) {
    if (req.headers['x-test-harness']) return false;
    const name = NAMES[req.url.split('?')[0]] ?? 'other';
    (this.#requests[name] ??= []).push(Date.now() / 1000);
    const fault = this.#faults.get(name);
    if (!fault) return false;
    await (fault.hold ? fault.released.promise : delay(fault.delay * 1000));
    if (!fault.status) return false;
    res.writeHead(fault.status, { 'content-type': 'text/plain' }).end('broken by the test');
    return true;
  }

  requests() {
    return this.#requests;
  }

  fault(name, { delay: seconds = 0, status = 0, hold = false }) {
    if (!Object.values(NAMES).includes(name)) throw new Error(`no endpoint ${name}`);
    this.heal(name);
    let release;
    const promise = new Promise((resolve) => { release = resolve; });
    this.#faults.set(name, { delay: seconds, status, hold, released: { promise, release } });
  }

  // Requests that were held go on as if nothing had been.
  heal(name) {
    this.#faults.get(name)?.released.release();
    this.#faults.delete(name);
  }

  reset() {
    [...this.#faults.keys()].forEach((name) => this.heal(name));
    this.#requests = {};
  }
}
