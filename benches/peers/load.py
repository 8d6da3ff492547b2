"""The load: wrk for what takes time, and a small client of our own for what must be an exact number of requests."""
import asyncio
import json
import os
import re
import subprocess

CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conf")
CONNECTIONS = 64


class Workload:
    def __init__(self, name, what, path="/", tokens="tokens.txt", many=False, close=False, connections=CONNECTIONS, refused=False, h2=False):
        self.name, self.what, self.path, self.tokens, self.many = name, what, path, tokens, many
        self.close, self.connections, self.refused, self.h2 = close, connections, refused, h2


WORKLOADS = {w.name: w for w in (
    Workload("W1", "keep-alive, one token"),
    Workload("W2", "keep-alive, 10,000 tokens at random", many=True),
    Workload("W3", "refused: an unknown token", tokens="bad.txt", refused=True),
    Workload("W4", "a new connection for each request", close=True),
    Workload("W6a", "a body of 10 KiB", path="/b/10k"),
    Workload("W6b", "a body of 1 MiB", path="/b/1m", connections=16),
    Workload("W7", "HTTP/2, 8 connections of 8 streams", h2=True),
)}


def run(workload, server, data, core, seconds):
    """One run: how many requests, how long, how many errors, and the server's CPU time for each, in µs."""
    before = server.cpu_us()
    found = (h2load if workload.h2 else wrk)(workload, server, data, core, seconds)
    spent = server.cpu_us() - before
    if found["requests"] == 0:
        raise SystemExit("%s answered nothing in %s" % (server.name, workload.name))
    return dict(found, cpu_us=spent / found["requests"], per_second=found["requests"] / (found["us"] / 1e6))


def h2load(workload, server, data, core, seconds):
    with open("%s/%s" % (data, workload.tokens)) as file:
        token = file.readline().strip()
    command = ["taskset", "-c", str(core), "h2load", "-t1", "-c8", "-m8", "-D%d" % seconds, "-H", "authorization: Bearer " + token,
               "http://127.0.0.1:%d%s" % (server.h2port, workload.path)]
    text = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60).stdout
    took = re.search(r"finished in ([\d.]+)(m?)s", text)
    if not took:
        raise SystemExit("h2load against %s: %s" % (server.name, text[-300:]))
    count = lambda word: int(re.search(r"(\d+) " + word, text)[1])
    # Of times, h2load tells no more than the mean, so that stands for both.
    mean = re.search(r"time for request: +\S+ +\S+ +([\d.]+)([mu]?)s", text)
    mean = float(mean[1]) * {"u": 1, "m": 1e3, "": 1e6}[mean[2]]
    return {"requests": count("succeeded"), "us": float(took[1]) * (1e3 if took[2] else 1e6), "bytes": 0, "p50_us": mean, "p99_us": mean,
            "wrong": count("failed") + count("errored") + count("4xx") + count("5xx")}


def wrk(workload, server, data, core, seconds):
    url = "http://127.0.0.1:%d%s" % (server.port, workload.path)
    command = ["taskset", "-c", str(core), "wrk", "-t1", "-c%d" % workload.connections, "-d%ds" % seconds, "--timeout", "10s",
               "-s", CONF + "/wrk.lua", url]
    env = dict(os.environ, TOKENS="%s/%s" % (data, workload.tokens), COUNT="10000" if workload.many else "1", CLOSE="1" if workload.close else "0")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"^JSON (.*)$", done.stdout, re.M)
    if not found:
        raise SystemExit("wrk against %s: %s" % (server.name, (done.stdout + done.stderr)[-300:]))
    run = json.loads(found[1])
    wrong = run["requests"] - run["refused"] if workload.refused else run["refused"]
    return dict(run, wrong=wrong + run["socket_errors"])


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
