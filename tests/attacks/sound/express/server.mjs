// An API on express and jose: node server.mjs [default]
// Careful, or as the documentation's first example has it.
import { readFileSync } from "node:fs";
import express from "express";
import { SignJWT, exportJWK, generateKeyPair, jwtVerify } from "jose";

const issuer = "https://issuer.test";
const audience = "https://api.test";
const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
const jwk = { ...(await exportJWK(publicKey)), kid: "ec-1", alg: "ES256", use: "sig" };

const careful = { algorithms: ["ES256"], typ: "at+jwt", requiredClaims: ["exp", "iat", "sub"] };
const options = { audience, issuer, ...(process.argv[2] === "default" ? {} : careful) };

const app = express();
app.disable("x-powered-by");
app.set("etag", false);

app.get("/.well-known/jwks.json", (request, response) => response.json({ keys: [jwk] }));

app.use(async (request, response, next) => {
  response.set("Cache-Control", "no-store");
  const [, token] = /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(request.get("authorization") ?? "") ?? [];
  try {
    const { payload } = await jwtVerify(token ?? "", publicKey, options);
    request.claims = payload;
    next();
  } catch {
    const sent = request.get("authorization") !== undefined;
    response.set("WWW-Authenticate", sent ? 'Bearer error="invalid_token"' : "Bearer");
    response.status(401).json({ title: "Refused" });
  }
});

app.get("/me", (request, response) => response.json({ subject: request.claims.sub }));

const token = await new SignJWT({ client_id: "web", roles: ["admin"], jti: "t-1" })
  .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "ec-1" })
  .setIssuer(issuer)
  .setAudience(audience)
  .setSubject("ada")
  .setIssuedAt()
  .setExpirationTime("10m")
  .sign(privateKey);

const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;

const server = app.listen(0, "127.0.0.1", async () => {
  const settings = {
    port: server.address().port,
    token,
    signing_key: JSON.stringify(await exportJWK(privateKey)),
    versions: `express ${version("express")}, jose ${version("jose")}`,
  };
  console.log(JSON.stringify(settings));
});
