"""What a request does not show: handshakes, idle connections, and how much later an answer comes at a rate that everybody can keep."""
import asyncio
import os
import random
import resource
import shutil
import socket
import ssl
import subprocess
from statistics import median

import load
import report
import servers

IDLE = 5_000
RATE = 2_000
RATE_CONNECTIONS = 50
HANDSHAKES = 400


def certificate(data):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", data + "/tls.key", "-out", data + "/tls.crt"], check=True, capture_output=True)


def connect(server, context, token, session):
    """One connection with one request; the session to be resumed next time."""
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as stream:
            if session and not stream.session_reused:
                raise SystemExit("%s does not resume sessions" % server.name)
            stream.sendall(load.head(server, "/", token, close=True))
            answer = b""
            while piece := stream.recv(65536):
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit("%s answered %s over TLS" % (server.name, answer[:60]))
            return stream.session


def handshakes(place, cores, binary, token, rounds=5):
    """CPU time of the server for a connection with one request, full and resumed, as a ratio to nginx's just before."""
    certificate(place["DATA"])
    context = ssl.create_default_context(cafile=place["DATA"] + "/tls.crt")
    pair = [servers.nginx_tls(), servers.postern(binary, False, tls=True)]
    spent = {(server.name, resumed): [] for server in pair for resumed in (False, True)}
    try:
        for server in pair:
            server.start(place, cores[0])
        for _ in range(rounds):
            for resumed in (False, True):
                for server in pair:
                    session = connect(server, context, token, None)
                    before = server.cpu_us()
                    for _ in range(HANDSHAKES):
                        last = connect(server, context, token, session if resumed else None)
                        session = last if resumed else None
                    spent[server.name, resumed].append((server.cpu_us() - before) / HANDSHAKES)
    finally:
        for server in pair:
            server.stop()
    rows, found = [["TLS 1.3, P-256, a connection with one request", "nginx µs", "postern µs", "× nginx", "postern's connections a second of a core"]], {}
    for resumed in (False, True):
        base, own = spent[pair[0].name, resumed], spent[pair[1].name, resumed]
        name = "resumed" if resumed else "full handshake"
        found[name] = {"nginx_us": median(base), "postern_us": median(own), "ratio": median(b / a for a, b in zip(base, own))}
        rows.append([name, "%.0f" % median(base), "%.0f" % median(own), "%.2f" % found[name]["ratio"], "%.0f" % (1e6 / median(own))])
    print()
    report.table(rows)
    return found


def idle(place, cores, binary, token):
    """Memory of a postern to whom so many clients are connected that have asked once."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = servers.postern(binary, False)

    async def hold():
        streams = []
        for _ in range(IDLE // 50):
            some = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)))
            for reader, writer in some:
                writer.write(load.head(server, "/", token))
            for reader, _ in some:
                if (await load.answer(reader))[0] != 200:
                    raise SystemExit("postern refused one of %d connections" % IDLE)
            streams += some
        # Buffers are given back after two seconds, memory to the system a little later.
        await asyncio.sleep(6)
        return server.pss_mib()
    try:
        server.start(place, cores[0])
        before = server.pss_mib()
        held = asyncio.run(hold())
    finally:
        server.stop()
    print()
    report.table([["%d idle keep-alive connections" % IDLE, "MiB (Pss)", "target", "met"], ["postern, before", "%.1f" % before, "", ""],
                  ["postern", "%.1f" % held, "60", report.verdict(held, 60)]])
    return {"before": before, "held": held}


def at_rate(server, place, cores, token, seconds):
    """Median and 99th percentile of the time of a request, in µs, at a fixed rate."""
    log = place["RUN"] + "/h2load.log"
    if os.path.exists(log):
        os.remove(log)
    subprocess.run(["taskset", "-c", str(cores[1]), "h2load", "--h1", "-t1", "-c%d" % RATE_CONNECTIONS, "--rps=%d" % (RATE // RATE_CONNECTIONS), "-D%d" % seconds,
                    "--log-file=" + log, "-H", "authorization: Bearer " + token, "http://127.0.0.1:%d/" % server.port], check=True, capture_output=True)
    with open(log) as file:
        rows = [line.split("\t") for line in file]
    if any(row[1] != "200" for row in rows):
        raise SystemExit("%s did not answer every request at %d a second" % (server.name, RATE))
    times = sorted(int(row[2]) for row in rows)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def latency(place, cores, binary, upstream, token, seconds, rounds=5):
    """How much later answers come than from the upstream itself."""
    envoy = os.environ.get("ENVOY") or shutil.which("envoy")
    through = [servers.haproxy(), servers.postern(binary, False)] + ([servers.envoy(envoy)] if envoy else [])
    times = {server.name: [] for server in (upstream, *through)}
    try:
        for server in through:
            server.start(place, cores[0])
        for _ in range(rounds):
            for server in random.sample([upstream, *through], len(through) + 1):
                times[server.name].append(at_rate(server, place, cores, token, seconds))
    finally:
        for server in through:
            server.stop()
    direct = [median(run[at] for run in times[upstream.name]) for at in (0, 1)]
    found = {name: [median(run[at] for run in runs) - direct[at] for at in (0, 1)] for name, runs in times.items() if name != upstream.name}
    most = [found["haproxy-map"][0], found.get("envoy-plain", (None, None))[1]]
    rows = [["added at %d requests a second" % RATE, "p50 µs", "target", "met", "p99 µs", "target", "met"]]
    for name, (p50, p99) in found.items():
        target = most if name == "postern" else (None, None)
        rows.append([name, "%.0f" % p50, report.text(target[0], "%.0f"), report.verdict(p50, target[0]), "%.0f" % p99, report.text(target[1], "%.0f"), report.verdict(p99, target[1])])
    print()
    report.table(rows)
    return {"direct": direct, "added": found}


def measure(place, cores, binary, upstream, token, seconds):
    """All of it, with an upstream that runs."""
    return {"handshakes": handshakes(place, cores, binary, token), "idle": idle(place, cores, binary, token),
            "latency": latency(place, cores, binary, upstream, token, seconds)}
