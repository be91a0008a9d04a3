"""Verifies an assertion of Wicketgate with PyJWT, as an application behind the gate does.

    verify.py JWKS AUDIENCE ISSUER < TOKEN

JWKS is the file, or the https:// URL, of the keys that the gate publishes at /.well-known/wicketgate/jwks.json. The
claims are printed as JSON; a token that does not hold ends the program with 1 and the reason.
"""

import json
import sys
import urllib.request

import jwt


def read_keys(place: str) -> jwt.PyJWKSet:
    """The gate's keys. An application keeps them for as long as Cache-Control says, five minutes."""
    if place.startswith("https://"):
        with urllib.request.urlopen(place, timeout=5) as answer:
            return jwt.PyJWKSet.from_dict(json.load(answer))
    with open(place, encoding="utf-8") as file:
        return jwt.PyJWKSet.from_dict(json.load(file))


def verify(token: str, keys: jwt.PyJWKSet, audience: str, issuer: str) -> dict:
    """The claims of a token that holds now. An unknown `kid` is worth one look at the published keys, no more."""
    kid = jwt.get_unverified_header(token).get("kid")
    key = next((key for key in keys.keys if key.key_id == kid), None)
    if key is None:
        raise jwt.InvalidTokenError(f"no published key is named {kid}")
    return jwt.decode(
        token,
        key.key,
        # The algorithm is the key's, never the token's.
        algorithms=[key.algorithm_name],
        audience=audience,
        issuer=issuer,
        leeway=30,
        options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
    )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        claims = verify(sys.stdin.read().strip(), read_keys(sys.argv[1]), sys.argv[2], sys.argv[3])
    except jwt.InvalidTokenError as error:
        sys.exit(f"the token does not hold: {error}")
    print(json.dumps(claims))
