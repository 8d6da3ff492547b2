"""The same cases through a running `postern serve`: sent as bytes, and what the service behind received is looked at."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from urllib.parse import unquote

import bodies


class Upstreams:
    """Services that answer with what they were sent: one for each name, on a port of its own."""

    def __init__(self, names, objects):
        self.ports = {}
        # Whose objects are: what the service `objects` tells. What the others answer to the request that is under way, as JSON.
        self.objects, self.answer = objects, None
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def start():
            for name in [*names, "objects"]:
                server = await asyncio.start_server(lambda r, w, name=name: self.serve(name, r, w), "127.0.0.1", 0)
                self.ports[name] = server.sockets[0].getsockname()[1]
            ready.set()

        def run():
            self.loop.create_task(start())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()

    async def serve(self, name, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                headers = [line.split(": ", 1) for line in head[1:] if line]
                length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
                await reader.readexactly(length)
                if name == "objects":
                    found = self.objects.get(unquote(target.removeprefix("/object/")))
                    told = json.dumps(found).encode()
                    status = b"404 Not Found" if found is None else b"200 OK"
                    writer.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(told), told))
                    await writer.drain()
                    continue
                answer = b"ok" if self.answer is None else json.dumps(self.answer).encode()
                body = json.dumps({"upstream": name, "target": target, "headers": headers}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Saw: " + body + b"\r\nContent-Length: %d\r\n\r\n" % len(answer))
                if method != "HEAD":
                    writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Directory:
    """A store with everybody of a world, and a token for each user."""

    def __init__(self, postern, folder, world):
        self.postern, self.folder = postern, folder
        self.url = f"sqlite://{folder}/postern.db"
        run = self.run
        run("permission", [{"permission": p} for p in sorted({p for u in world["users"].values() for p in u["permissions"] + u["super_roles"]}
            | {p for u in world["users"].values() for held in u["roles"].values() for p in held}
            | {p for u in world["users"].values() for p in (u["token"] or {}).get("permissions", [])})])
        run("org", [{"name": slug, "slug": slug, "id": org["id"], "active": org["active"],
                     **({"external_id": org["external_id"]} if org["external_id"] else {})}
                    for slug, org in world["organizations"].items()])
        run("user", [{"username": name, "id": user["id"], "active": user["active"], "staff": user["staff"], "superuser": user["superuser"],
                      **({"email": user["email"]} if user["email"] else {})} for name, user in world["users"].items()])
        # The first manager becomes the owner, so owners come first.
        members = [(slug, name, level) for name, user in world["users"].items() for slug, level in user["levels"].items()]
        members.sort(key=lambda entry: entry[2] != "owner")
        run("member", [{"org": slug, "user": name, "manager": level != "member"} for slug, name, level in members])
        run("role", [{"name": f"role-{name}-{slug}", "org": slug, "permissions": held, "users": [name]}
                     for name, user in world["users"].items() for slug, held in user["roles"].items()])
        run("role", [{"name": f"role-{name}", "super": True, "permissions": user["super_roles"], "users": [name]}
                     for name, user in world["users"].items() if user["super_roles"]])
        for name, user in world["users"].items():
            if user["home"]:
                self.call("user", "organization", name, "--org", user["home"])
            for permission in user["permissions"]:
                self.call("user", "grant", name, permission)
        told = run("token", [{"user": name, "orgs": scope.get("organizations", []), "permissions": scope.get("permissions", []),
                              "read_only": scope.get("read_only", False)}
                             for name, user in world["users"].items() for scope in [user["token"] or {}]])
        self.tokens = {line.split("\t")[1]: line.split("\t")[2] for line in told.splitlines() if line}

    def run(self, noun, lines):
        if not lines:
            return ""
        with open(f"{self.folder}/batch", "w") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)
        return self.call(noun, "create", "--batch", f"{self.folder}/batch")

    def call(self, *words):
        environment = {**os.environ, "POSTERN_DATA_DIR": self.folder}
        done = subprocess.run([self.postern, *words, "--database", self.url], capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"postern {' '.join(words)}: {done.stderr}")
        return done.stdout


class Server:
    def __init__(self, postern, folder, policies, upstreams, database):
        self.port, management = free_port(), free_port()
        config = f"{folder}/postern.yaml"
        with open(config, "w") as out:
            json.dump({
                "listen": f"127.0.0.1:{self.port}", "management": f"127.0.0.1:{management}", "database": database, "policy": policies,
                "upstreams": {name: f"http://127.0.0.1:{port}" for name, port in upstreams.ports.items()},
            }, out)
        self.log = open(f"{folder}/serve.log", "w")
        self.process = subprocess.Popen([postern, "serve", "--config", config], stdout=self.log, stderr=self.log,
                                        env={**os.environ, "POSTERN_DATA_DIR": folder})
        self.reader = self.writer = None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if subprocess.run([postern, "health", "--config", config], capture_output=True).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"postern serve did not start: see {folder}/serve.log")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()

    async def ask(self, request, token):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{request['method']} {request['target']} HTTP/1.1", f"Host: {request['host']}"]
        lines += [f"{name}: {value}" for name, value in request["headers"]]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        body, media_type = bodies.written(request["body"]) if request["body"] else ("", None)
        if media_type:
            lines.append(f"Content-Type: {media_type}")
        if body or request["method"] in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body.encode())}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if ": " in line}
        length = int(headers.get("content-length", 0)) if request["method"] != "HEAD" and status not in (204, 304) else 0
        body = await self.reader.readexactly(length)
        if headers.get("connection") == "close":
            self.writer.close()
            self.writer = None
        return status, headers, body
