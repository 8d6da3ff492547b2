"""Makes keys, JWK sets and tokens with PyJWT, as another program would.

Reads {"keys": {NAME: ALGORITHM}, "tokens": [{"key": NAME, "alg": …, "claims": {…}, "headers": {…}}]} from standard input and prints
{"jwks": {NAME: JWK}, "private": {NAME: JWK}, "pem": {NAME: public key, or the secret}, "ssh": {NAME: public key}, "tokens": [TOKEN]}.
"""
import base64
import json
import sys

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def generate(algorithm):
    if algorithm.startswith("HS"):
        return "s3cret-" + algorithm + "-" * 60
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 1024 if algorithm == "RS256-weak" else 2048)


def jwk(name, algorithm, key, private=False):
    if isinstance(key, str):
        made = {"kty": "oct", "k": base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()}
    else:
        kind = {"E": ECAlgorithm if algorithm in CURVES else OKPAlgorithm}.get(algorithm[0], RSAAlgorithm)
        made = json.loads(kind.to_jwk(key if private else key.public_key()))
        made.pop("key_ops", None)
    return {**made, "kid": name, "use": "sig"}


def public(key, encoding="PEM", form="SubjectPublicKeyInfo"):
    if isinstance(key, str):
        return key
    form = getattr(serialization.PublicFormat, form)
    return key.public_key().public_bytes(getattr(serialization.Encoding, encoding), form).decode()


wanted = json.load(sys.stdin)
keys = {name: generate(algorithm) for name, algorithm in wanted["keys"].items()}
tokens = []
for token in wanted["tokens"]:
    key, headers = keys[token["key"]], token.get("headers", {})
    if token["alg"] == "none":
        tokens.append(jwt.encode(token["claims"], None, algorithm="none", headers=headers))
    elif token.get("confused"):
        # HS256 with the RSA public key as the secret: PyJWT refuses, so by hand.
        import hashlib
        import hmac
        encode = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=")
        head = encode(json.dumps({"alg": "HS256", "typ": "JWT", **headers}).encode())
        message = head + b"." + encode(json.dumps(token["claims"]).encode())
        # What stands in the file before the key, where something does.
        before = token["confused"] if isinstance(token["confused"], str) else ""
        mac = hmac.new((before + public(key)).encode(), message, hashlib.sha256).digest()
        tokens.append((message + b"." + encode(mac)).decode())
    else:
        tokens.append(jwt.encode(token["claims"], key, algorithm=token["alg"], headers=headers))
json.dump({
    "jwks": {name: jwk(name, wanted["keys"][name], key) for name, key in keys.items()},
    "private": {name: jwk(name, wanted["keys"][name], key, True) for name, key in keys.items()},
    "pem": {name: public(key) for name, key in keys.items()},
    "ssh": {name: public(key, "OpenSSH", "OpenSSH") for name, key in keys.items()},
    "tokens": tokens,
}, sys.stdout)
