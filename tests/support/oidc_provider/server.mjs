// usage: node server.mjs [--port N] [--issuer URL]     (also PORT and ISSUER in the environment)
//
// Serves the provider on 127.0.0.1 and takes commands as JSON lines on standard input, answering
// each with one JSON line on standard output; the first line out says that it is ready. Commands
// travel by pipe, not by HTTP, so that nobody else can give them and a fault cannot cut them off.
// The end of standard input is the end of the server: it never outlives whoever started it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { Endpoints } from './endpoints.mjs';
import { buildProvider, finishInteraction } from './provider.mjs';
import { SECRETS, SigningKeys } from './signing_keys.mjs';

// Standard output belongs to the answers; the library writes its notices there.
console.info = console.error;

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: process.env.PORT ?? '0' },
    issuer: { type: 'string', default: process.env.ISSUER },
  },
});

// Long enough that a client's idle connection is never closed in the moment of its reuse.
const server = createServer({ keepAliveTimeout: 60_000 }, serve);
const endpoints = new Endpoints();
const settings = { requireDpopNonce: false };
let provider;

async function listen(port) {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

async function serve(req, res) {
  try {
    if (await endpoints.intercept(req, res)) return;
    if (req.url.startsWith('/interaction/')) await finishInteraction(provider, req, res);
    else await provider.callback()(req, res);
  } catch (error) {
    console.error(error);
    res.destroy();
  }
}

const keys = await SigningKeys.generated();
await listen(Number(options.port));
const { port } = server.address();
const issuer = options.issuer ?? `http://127.0.0.1:${port}`;
const rebuild = () => { provider = buildProvider(issuer, keys, settings); };
rebuild();

const commands = {
  async rotate({ alg, keep_old: keepOld }) {
    const rotated = await keys.rotate(alg, keepOld);
    rebuild();
    return rotated;
  },
  drop({ kid }) {
    keys.drop(kid);
    rebuild();
  },
  fault: ({ endpoint, ...fault }) => endpoints.fault(endpoint, fault),
  heal: ({ endpoint }) => endpoints.heal(endpoint),
  requests: () => endpoints.requests(),
  require_dpop_nonce({ required }) { settings.requireDpopNonce = required; },
  async close() {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  },
  async open() { if (!server.listening) await listen(port); },
  async reset() {
    endpoints.reset();
    settings.requireDpopNonce = false;
    keys.reset();
    rebuild();
    await commands.open();
  },
};

async function answer(line) {
  try {
    const { command, ...args } = JSON.parse(line);
    return { ok: true, result: await commands[command](args) ?? null };
  } catch (error) {
    return { ok: false, error: String(error.stack) };
  }
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const secrets = Object.fromEntries(
  Object.entries(SECRETS).map(([alg, secret]) => [alg, secret.toString('base64url')]),
);
say({ ok: true, result: { issuer, port, secrets } });
for await (const line of createInterface({ input: process.stdin })) say(await answer(line));
process.exit(0);
