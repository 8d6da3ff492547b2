"""RS256 JWTs: remembered, and seen for the first time, beside Envoy where there is one (ENVOY=FILE, or in the path)."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from statistics import median

import instructions
import load
import report
import servers

ISSUER = "https://idp.example"
# At most, as a ratio to Envoy with and without its cache.
REMEMBERED, FIRST, MEMORY = 0.30, 0.55, 25
WORKLOADS = (load.Workload("J1", "an RS256 JWT, remembered", tokens="jwt.txt"),
             load.Workload("J2", "10,000 RS256 JWTs at random, remembered", tokens="jwt.txt", many=True))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key of 2048 bits, made by openssl; it signs by the Chinese remainder theorem, as fast as Python can."""

    def __init__(self):
        pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
        text = subprocess.run(["openssl", "rsa", "-noout", "-text"], input=pem, check=True, capture_output=True).stdout.decode()
        number = lambda name: int(re.sub(r"[\s:]", "", re.search(name + r":\s*((?:[0-9a-f]{2}:?\s*)+)", text)[1]), 16)
        self.n, self.p, self.q, self.dp, self.dq, self.qi = map(number, ("modulus", "prime1", "prime2", "exponent1", "exponent2", "coefficient"))

    def jwks(self):
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": base64url(self.n.to_bytes(256, "big")), "e": "AQAB"}
        return json.dumps({"keys": [key]})

    def token(self, claims):
        message = "%s.%s" % tuple(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "RS256", "typ": "JWT", "kid": "one"}, claims))
        # EMSA-PKCS1-v1_5 (RFC 8017, 9.2)
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message.encode()).digest()
        number = int.from_bytes(b"\x00\x01" + b"\xff" * (253 - len(digest)) + b"\x00" + digest, "big")
        a, b = pow(number % self.p, self.dp, self.p), pow(number % self.q, self.dq, self.q)
        signature = b + self.q * (self.qi * (a - b) % self.p)
        return "%s.%s" % (message, base64url(signature.to_bytes(256, "big")))


def measure(place, cores, binary, world, rounds, seconds, requests):
    key = Key()
    def made(what):
        return [key.token({"iss": ISSUER, "aud": "api", "sub": user, "org": org, "role": "member", "jti": what + str(number), "iat": 1700000000, "exp": 4100000000})
                for number, (_, org, user) in enumerate(world.rows)]
    tokens, further = made("a"), made("b")
    world.text("jwt.txt", tokens)
    with open(place["DATA"] + "/jwks.json", "w") as file:
        file.write(key.jwks())
    envoy = os.environ.get("ENVOY") or shutil.which("envoy")
    opaque, own = servers.postern(binary, False), servers.postern_jwt(binary)
    peers = [servers.envoy(envoy, "envoy-rs256-cache", "envoy-jwt-cache.yaml"), servers.envoy(envoy, "envoy-rs256", "envoy-jwt.yaml")] if envoy else []
    found, first, memory = {}, {}, {}
    try:
        for server in (opaque, own, *peers):
            server.start(place, cores[0])
            check(server, world, tokens)
        # Each token for the first time: nobody remembers any. Then further ones of the same users, whom postern knows by then.
        for server in (own, *peers):
            for part, some in (("unknown", tokens[1:]), ("known", further)):
                before = server.cpu_us()
                load.exactly(load.WORKLOADS["W2"], server, some, len(some))
                first[server.name, part] = (server.cpu_us() - before) / len(some)
                if part == "unknown":
                    memory[server.name] = server.pss_mib()
        load.exactly(load.WORKLOADS["W2"], opaque, [row[0] for row in world.rows], len(world.rows))
        for workload, plain in zip(WORKLOADS, (load.WORKLOADS["W1"], load.WORKLOADS["W2"])):
            runs = {server.name: [] for server in (opaque, own, *peers[:1])}
            for _ in range(rounds):
                for server in (opaque, own, *peers[:1]):
                    runs[server.name].append(load.run(plain if server is opaque else workload, server, place["DATA"], cores[1], seconds)["cpu_us"])
            found[workload.name] = runs
    finally:
        for server in (opaque, own, *peers):
            server.stop()
    return dict(tell(found, first, memory), instructions=count(place, cores[0], binary, world, tokens, further, requests) if requests else None)


def count(place, core, binary, world, tokens, further, requests):
    """User instructions a request, under callgrind: one remembered JWT again and again, and new ones of users who are known."""
    if not shutil.which("callgrind_control"):
        return None
    envoy = os.environ.get("ENVOY") or shutil.which("envoy")
    some = min(requests, len(tokens))
    # The connection's beginning is not what a request costs: so many that it weighs nothing.
    many = max(requests, 3000)
    opaque = [row[0] for row in world.rows]
    peers = [(servers.envoy(envoy, "envoy-rs256-cache", "envoy-jwt-cache.yaml"), tokens, "remembered"),
             (servers.envoy(envoy, "envoy-rs256", "envoy-jwt.yaml"), tokens, "first")] if envoy else []
    found = {}
    for server, sent, what in [(servers.postern(binary, False), opaque, "remembered"), (servers.postern_jwt(binary), tokens, "both"), *peers]:
        try:
            callgrind = instructions.Callgrind(server, place, core)
            if what != "first":
                found[server.name, "remembered"] = callgrind.per_request(WORKLOADS[0], sent[:1], many)
            if what != "remembered":
                load.exactly(load.WORKLOADS["W2"], server, tokens[:some], some)
                found[server.name, "first"] = callgrind.count(lambda: load.exactly(load.WORKLOADS["W2"], server, further[:some], some))[0] / some
        finally:
            server.stop()
    rows = [["RS256, user instructions a request (callgrind)", "postern-jwt", "beside", "", "×", "target", "met"]]
    for what, beside, words, target in (("remembered", "postern", "opaque", 1.1), ("remembered", "envoy-rs256-cache", "Envoy, with its cache", REMEMBERED),
                                        ("first", "envoy-rs256", "Envoy, without", FIRST)):
        if (beside, what) in found:
            own, other = found["postern-jwt", what], found[beside, what]
            rows.append([{"remembered": "remembered", "first": "each for the first time, of known users"}[what], "%.0f" % own, words, "%.0f" % other,
                         "%.2f" % (own / other), "%.2f" % target, report.verdict(own / other, target)])
    print()
    report.table(rows)
    return {"%s, %s" % names: spent for names, spent in found.items()}


def check(server, world, tokens):
    _, org, user = world.rows[0]
    if server.name != "postern":
        status, body = load.ask(server, "/echo", tokens[0])
        head, claims, signature = tokens[0].split(".")
        forged = "%s.%s.%s" % (head, claims, ("B" if signature[0] == "A" else "A") + signature[1:])
        refused = [load.ask(server, "/echo", sent)[0] for sent in (forged, None)]
        if status != 200 or body.decode().split(" ")[:2] != [org, user] or refused != [401, 401]:
            raise SystemExit("%s is wrong: %d %s, a forged token %d, none %d" % (server.name, status, body, *refused))


def tell(found, first, memory):
    cache, plain, own = "envoy-rs256-cache", "envoy-rs256", "postern-jwt"
    ratio = lambda runs, base: median(a / b for a, b in zip(runs[own], runs[base])) if base in runs else None
    rows = [["RS256, CPU µs a request", "postern, opaque", own, "× opaque", "target", "met", cache, "× Envoy", "target", "met"]]
    result = {"first_us": {"%s, %s" % names: spent for names, spent in first.items()}, "memory": memory}
    for workload in WORKLOADS:
        runs = found[workload.name]
        opaque, envoy = ratio(runs, "postern"), ratio(runs, cache)
        result[workload.name] = {"cpu_us": {name: median(all_runs) for name, all_runs in runs.items()}, "to_opaque": opaque, "to_envoy": envoy}
        rows.append(["%s, %s" % (workload.name, workload.what), "%.1f" % median(runs["postern"]), "%.1f" % median(runs[own]), "%.2f" % opaque, "1.10", report.verdict(opaque, 1.1),
                     "%.1f" % median(runs[cache]) if cache in runs else "", report.text(envoy), "%.2f" % REMEMBERED, report.verdict(envoy, REMEMBERED)])
    for part, what in (("known", "each for the first time, of known users"), ("unknown", "each for the first time, of users never seen")):
        envoy = first[own, part] / first[plain, part] if (plain, part) in first else None
        target = FIRST if part == "known" else None
        rows.append([what, "", "%.1f" % first[own, part], "", "", "", "%.1f (no cache)" % first[plain, part] if envoy else "", report.text(envoy), report.text(target), report.verdict(envoy, target)])
    print()
    report.table(rows)
    memory.pop(plain, None)
    print()
    report.table([["10,000 JWTs remembered, MiB (Pss)", "", "target", "met"]] + [
        [name, "%.1f" % mib, str(MEMORY) if name == own else "", report.verdict(mib, MEMORY) if name == own else ""] for name, mib in memory.items()])
    return result
