"""The data that every server is asked about: 10,000 tokens, each of another user in another organization."""
import json
import os
import random
import subprocess

COUNT = 10_000


def uuid4(rand):
    return "%08x-%04x-4%03x-a%03x-%012x" % tuple(rand.getrandbits(bits) for bits in (32, 16, 12, 12, 48))


class World:
    """Files in `data/`: the tokens, the peers' maps of them, bodies to be fetched. The same each time."""

    def __init__(self, data):
        self.data = data
        rand = random.Random(7)
        # 40 hex digits, as another system made them: postern knows them by digest, and they carry no checksum.
        self.rows = [("%040x" % rand.getrandbits(160), uuid4(rand), uuid4(rand)) for _ in range(COUNT)]
        self.bad = "%040x" % rand.getrandbits(160)

    def write(self):
        os.makedirs(self.data + "/files/b", exist_ok=True)
        self.text("tokens.txt", (token for token, _, _ in self.rows))
        self.text("bad.txt", [self.bad])
        self.text("haproxy.map", ("%s %s|%s" % row for row in self.rows))
        self.text("nginx-org.map", ('"Bearer %s" %s;' % (token, org) for token, org, _ in self.rows))
        self.text("nginx-user.map", ('"Bearer %s" %s;' % (token, user) for token, _, user in self.rows))
        rand = random.Random(11)
        for name, size in (("10k", 10 << 10), ("1m", 1 << 20)):
            with open("%s/files/b/%s" % (self.data, name), "wb") as file:
                file.write(rand.randbytes(size))

    def text(self, name, lines):
        with open("%s/%s" % (self.data, name), "w") as file:
            file.writelines(line + "\n" for line in lines)

    def fill(self, binary, env):
        """Fills postern's store through its own commands."""
        def batch(noun, items):
            text = "".join(json.dumps(item) + "\n" for item in items)
            done = subprocess.run([binary, noun, "create", "--batch", "-"], input=text, env=env, text=True, capture_output=True)
            if done.returncode:
                raise SystemExit("postern %s create --batch: %s" % (noun, done.stderr.strip()))

        batch("org", ({"name": "Organization %d" % n, "slug": "org-%d" % n, "id": org} for n, (_, org, _) in enumerate(self.rows)))
        batch("user", ({"username": "user-%d" % n, "id": user} for n, (_, _, user) in enumerate(self.rows)))
        batch("member", ({"org": org, "user": user} for _, org, user in self.rows))
        batch("token", ({"user": user, "token": token} for token, _, user in self.rows))
