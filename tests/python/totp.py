"""Codes of an authenticator app, by the standard library: {"secret": BASE32, "steps": [-1, 0, 1]} to the codes of the steps from now."""

import base64
import hmac
import json
import sys
import time

asked = json.load(sys.stdin)
key = base64.b32decode(asked["secret"])
now = int(time.time()) // 30


def code(step):
    tag = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    at = tag[-1] & 15
    return f"{(int.from_bytes(tag[at : at + 4], 'big') & 0x7FFFFFFF) % 1000000:06}"


print(json.dumps([code(now + step) for step in asked["steps"]]))
