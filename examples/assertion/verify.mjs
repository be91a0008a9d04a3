// Verifies an assertion of Wicketgate with Node alone, as an application behind the gate does.
//
//     node verify.mjs JWKS AUDIENCE ISSUER < TOKEN
//
// JWKS is the file, or the https:// URL, of the keys that the gate publishes at /.well-known/wicketgate/jwks.json. The
// claims are printed as JSON; a token that does not hold ends the program with 1 and the reason.
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { readFileSync } from "node:fs";

/** How far the gate's clock may be off, in seconds. */
const LEEWAY = 30;

/** The gate's keys. An application keeps them for as long as Cache-Control says, five minutes. */
export async function readKeys(place) {
  if (place.startsWith("https://")) {
    const answer = await fetch(place, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`${place}: ${answer.status}`);
    return (await answer.json()).keys;
  }
  return JSON.parse(readFileSync(place, "utf8")).keys;
}

/** The claims of a token that holds now. */
export function verify(token, keys, audience, issuer, now = Date.now() / 1000) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Error("it is no token");
  const [head, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
  const jwk = keys.find((key) => key.kid === head.kid && key.use === "sig");
  if (!jwk) throw new Error(`no published key is named ${head.kid}`);
  // The algorithm is the key's, never the token's.
  if (head.alg !== jwk.alg || head.crit) throw new Error(`it is signed by ${head.alg}`);
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const hash = jwk.alg === "ES256" ? "sha256" : null;
  if (!verifySignature(hash, signed, key, Buffer.from(parts[2], "base64url"))) throw new Error("its signature is wrong");
  if (claims.iss !== issuer) throw new Error(`it is by ${claims.iss}`);
  if (claims.aud !== audience) throw new Error(`it is for ${claims.aud}`);
  if (!(claims.iat <= now + LEEWAY && now < claims.exp + LEEWAY)) throw new Error("it does not hold at this time");
  return claims;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const [place, audience, issuer] = process.argv.slice(2);
  try {
    const token = readFileSync(0, "utf8").trim();
    console.log(JSON.stringify(verify(token, await readKeys(place), audience, issuer)));
  } catch (error) {
    console.error(`the token does not hold: ${error.message}`);
    process.exit(1);
  }
}
