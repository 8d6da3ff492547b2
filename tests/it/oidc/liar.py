"""A provider of OpenID Connect that lies as it is told to: `liar.py PORT`.

`POST /lie` takes the lies as JSON, and forgets the former ones; `GET /seen` says which paths were asked for since, but for these two. Without a
lie it does what a provider does, and as strictly: everybody who comes is logged in at once, as the `claims` of the lies say."""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

port = int(sys.argv[1])
ISSUER = f"http://127.0.0.1:{port}"
keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
lies, seen, codes = {}, [], {}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key, kid):
    numbers = key.public_key().public_numbers()
    n = numbers.n.to_bytes(256, "big")
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(n), "e": b64(numbers.e.to_bytes(3, "big"))}


def id_token(asked):
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "7", "aud": asked["client_id"], "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
    claims.update(lies.get("claims", {}))
    for name, seconds in lies.get("times", {}).items():
        claims[name] = now + seconds
    for name in lies.get("without", []):
        del claims[name]
    header = {"alg": "RS256", "kid": lies.get("kid", "first"), "typ": "JWT"} | lies.get("header", {})
    message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    how = lies.get("signed", "well")
    if how == "not":
        return message + "."
    if how in ("by the secret", "by the public key"):
        pem = keys[0].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        secret = lies["secret"].encode() if how == "by the secret" else pem
        return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"
    key = keys[1] if how == "by another key" or lies.get("kid") == "second" else keys[0]
    return f"{message}.{b64(key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Liar(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/seen":
            return self.answer(200, seen)
        seen.append(url.path)
        if url.path == "/.well-known/openid-configuration":
            document = {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "jwks_uri": f"{ISSUER}/jwks",
                "authorization_response_iss_parameter_supported": True,
                "code_challenge_methods_supported": ["S256"],
            }
            return self.answer(200, document | lies.get("document", {}))
        if url.path == "/jwks":
            return self.answer(200, {"keys": [jwk(key, kid) for key, kid in zip(keys, lies.get("keys", ["first"]))]})
        if url.path != "/authorize":
            return self.answer(404, {})
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256", asked
        assert "openid" in asked["scope"].split() and len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43, asked
        code = hashlib.sha256(asked["state"].encode()).hexdigest()
        codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": ISSUER} | lies.get("back", {})
        back = {name: value for name, value in back.items() if value is not None}
        self.answer(302, b"", Location=f"{asked['redirect_uri']}?{urlencode(back)}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/lie":
            lies.clear()
            seen.clear()
            lies.update(json.loads(body))
            return self.answer(200, {})
        seen.append(self.path)
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        if "token_status" in lies:
            return self.answer(lies["token_status"], lies.get("token", {"error": "<b>server_error</b>"}))
        asked = codes.get(sent["code"]) if lies.get("codes_again") else codes.pop(sent["code"], None)
        client, secret = sent.get("client_id"), sent.get("client_secret")
        if basic := self.headers.get("Authorization"):
            client, secret = map(unquote, base64.b64decode(basic.removeprefix("Basic ")).decode().split(":"))
        proof = b64(hashlib.sha256(sent["code_verifier"].encode()).digest())
        is_good = asked and proof == asked["code_challenge"] and sent["redirect_uri"] == asked["redirect_uri"]
        if not is_good or sent["grant_type"] != "authorization_code":
            return self.answer(400, {"error": "invalid_grant"})
        if client != asked["client_id"] or secret not in ("s3cret:of/a client", None if client == "public" else ""):
            return self.answer(401, {"error": "invalid_client"})
        tokens = {"access_token": "an-access-token", "token_type": "Bearer", "id_token": id_token(asked)}
        self.answer(200, tokens | lies.get("token", {}))


ThreadingHTTPServer(("127.0.0.1", port), Liar).serve_forever()
