"""The load: wrk for what takes time, and a small client of our own for what must be an exact number of requests."""
import asyncio
import json
import os
import re
import subprocess

CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conf")
CONNECTIONS = 64


class Workload:
    def __init__(self, name, what, path="/", tokens="tokens.txt", many=False, close=False, connections=CONNECTIONS, refused=False):
        self.name, self.what, self.path, self.tokens, self.many = name, what, path, tokens, many
        self.close, self.connections, self.refused = close, connections, refused


WORKLOADS = {w.name: w for w in (
    Workload("W1", "keep-alive, one token"),
    Workload("W2", "keep-alive, 10,000 tokens at random", many=True),
    Workload("W3", "refused: an unknown token", tokens="bad.txt", refused=True),
    Workload("W4", "a new connection for each request", close=True),
    Workload("W6a", "a body of 10 KiB", path="/b/10k"),
    Workload("W6b", "a body of 1 MiB", path="/b/1m", connections=16),
)}


def wrk(workload, server, data, core, seconds):
    """One run: how many requests, how long, how many errors, and the server's CPU time for each, in µs."""
    url = "http://127.0.0.1:%d%s" % (server.port, workload.path)
    command = ["taskset", "-c", str(core), "wrk", "-t1", "-c%d" % workload.connections, "-d%ds" % seconds, "--timeout", "10s",
               "-s", CONF + "/wrk.lua", url]
    env = dict(os.environ, TOKENS="%s/%s" % (data, workload.tokens), COUNT="10000" if workload.many else "1", CLOSE="1" if workload.close else "0")
    before = server.cpu_us()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds + 60)
    spent = server.cpu_us() - before
    found = re.search(r"^JSON (.*)$", done.stdout, re.M)
    if not found:
        raise SystemExit("wrk against %s: %s" % (server.name, (done.stdout + done.stderr)[-300:]))
    run = json.loads(found[1])
    if run["requests"] == 0:
        raise SystemExit("%s answered nothing in %s" % (server.name, workload.name))
    wrong = run["requests"] - run["refused"] if workload.refused else run["refused"]
    run.update(cpu_us=spent / run["requests"], per_second=run["requests"] / (run["us"] / 1e6), wrong=wrong + run["socket_errors"])
    return run


def head(server, path, token=None, close=False, more=""):
    """A request as wrk writes it."""
    bearer = "Authorization: Bearer %s\r\n" % token if token else ""
    return ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%s\r\n" % (path, server.port, bearer, "Connection: close\r\n" if close else "", more)).encode()


async def answer(reader):
    """Reads one answer with a Content-Length; returns status and body."""
    text = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", text)[1])
    return int(text.split(b" ", 2)[1]), await reader.readexactly(length)


def ask(server, path, token=None, more=""):
    """One request on a connection of its own."""
    async def go():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(server, path, token, close=True, more=more))
        found = await answer(reader)
        writer.close()
        return found
    return asyncio.run(go())


def exactly(workload, server, tokens, count):
    """Exactly `count` requests over the workload's connections, the tokens in turn; fails if an answer is not as it should be."""
    expected = 401 if workload.refused else 200
    numbers = iter(range(count))

    async def connection():
        stream = None
        for number in numbers:
            if stream is None:
                stream = await asyncio.open_connection("127.0.0.1", server.port)
            reader, writer = stream
            writer.write(head(server, workload.path, tokens[number % len(tokens)], workload.close))
            status, _ = await answer(reader)
            if status != expected:
                raise SystemExit("%s answered %d to a request of %s" % (server.name, status, workload.name))
            if workload.close:
                writer.close()
                stream = None
        if stream:
            stream[1].close()

    async def go():
        await asyncio.gather(*(connection() for _ in range(min(workload.connections, count))))
    asyncio.run(go())
