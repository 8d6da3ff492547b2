"""What requests to the identity API cost: see benches/README.md. Run it through benches/identity.sh, which installs what it needs."""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BENCHES = os.path.dirname(HERE)
sys.path[1:1] = [BENCHES + "/scale", BENCHES + "/peers"]
import pages  # noqa: E402
import servers  # noqa: E402
from client import Client  # noqa: E402
from people import DJANGO, POSTERN, sql, token, uid  # noqa: E402
from stores import Postgres, fresh  # noqa: E402

args = argparse.ArgumentParser(prog="benches/identity.sh")
args.add_argument("--users", type=int, default=1_000_000)
args.add_argument("--organizations", type=int, default=100_000)
args.add_argument("--most", type=int, default=5000, help="organizations of one user (default %(default)s)")
args.add_argument("--seconds", type=float, default=2, help="of each run of wrk")
args.add_argument("--rounds", type=int, default=3, help="runs of each request; the reference follows at once (default %(default)s)")
args.add_argument("--connections", type=int, default=16)
args.add_argument("--changes", type=int, default=200, help="whose sight at three replicas is timed (default %(default)s)")
args.add_argument("--only", help="requests whose name holds this")
args.add_argument("--quick", action="store_true", help="a hundredth of it: does it run at all?")
args.add_argument("--no-reference", action="store_true", help="postern alone")
args.add_argument("--json", metavar="FILE", help="write everything that was measured")
args.add_argument("--binary", help="this postern, instead of building one")
args.add_argument("--venv", help="where gunicorn and openwisp-users are")
args = args.parse_args()
if args.quick:
    args.users, args.organizations, args.most, args.rounds, args.seconds, args.changes = 10_000, 1_000, 500, 1, 1, 20

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target"))
RUN = TARGET + "/identity"
BINARY = os.path.abspath(args.binary or TARGET + "/release/postern")
PYTHON = os.path.abspath(args.venv or "none") + "/bin/python"
CORES = sorted(os.sched_getaffinity(0))[:2]
TOKENS = min(args.users, 10_000)
SLOW = 200_000  # µs

CONFIG = """
listen: 127.0.0.1:@PORT@
management: 127.0.0.1:@ADMIN@
database: "%s"
upstreams: { nowhere: "http://127.0.0.1:9" }
policy: [%s]
authzen: on
log: { format: json, access: false }
drain: { lame_duck: 0s }
workers: 1
identity: { api: all, session: { secure: false } }
admin_ui: on
"""
ROUTES = "version: 1\nroutes:\n  /org/{org:uuid}/**: { org: path.org, level: member }\n  /**: authenticated\n"


class Kind:
    """A kind of requests: some of them, who sends them, and what is wanted of each."""

    def __init__(self, name, requests, target=None, who=0, reference=True, latency=None, warm=0):
        self.name, self.requests, self.target, self.who = name, requests, target, who
        self.reference, self.latency, self.warm = reference, latency, warm


def kinds():
    many = args.users // 2
    people = random.Random(1).sample(range(args.changes + 2, many), min(5000, many // 2))
    users, base = "/api/v1/users/user/", "/api/v1/users/"
    get = lambda paths: [("GET", path, "") for path in paths]
    def question(n):
        return {"subject": {"type": "user", "id": "user-%d" % n}, "action": {"name": "member"},
                "resource": {"type": "organization", "id": "org-%d" % (n % args.organizations)}}
    def questions(some):
        return json.dumps({"evaluations": [question(n) for n in some]})
    asked = people[:1000]
    return [
        Kind("one user", get(users + uid(1, n) + "/" for n in people), 100),
        Kind("one organization", get(base + "organization/" + uid(2, n % args.organizations) + "/" for n in people), 100),
        Kind("a list of 10 users", get([users]), latency=5),
        Kind("a list of 100 users", get([users + "?page_size=100"]), 400),
        Kind("a list of 100 organizations", get([base + "organization/?page_size=100"]), 400),
        Kind("page 500 of 100 users", get([users + "?page_size=100&page=%d" % min(500, args.users // 100)])),
        Kind("filter: a username", get(users + "?username=user-%d" % n for n in people[:500]), reference=False),
        Kind("an organization's members", get(base + "organization/%s/member/" % uid(2, n % args.organizations) for n in people[:500]), reference=False),
        Kind("search: one word", get(users + "?search=user-%d" % n for n in people[:500]), reference=False),
        Kind("a search that half of all are found by", get([users + "?search=given"]), reference=False),
        Kind("exact count over all users", get([users + "?page_size=1&is_active=true"]), latency=20, reference=False),
        Kind("`me/`: two organizations", get([base + "me/"]), 100, who=2, reference=False),
        Kind("`me/`: %s organizations" % format(min(args.most, args.organizations), ","), get([base + "me/"]), 10_000, who=many, reference=False, latency=10),
        Kind("a write: another given name", [("PATCH", users + uid(1, n) + "/", json.dumps({"first_name": "G%d" % (n + i)})) for i in (0, 1) for n in people], 1000),
        Kind("AuthZEN: one question", [("POST", "/access/v1/evaluation", json.dumps(question(n))) for n in asked], 30, reference=False, warm=len(asked)),
        Kind("AuthZEN: 1,000 questions in one call", [("POST", "/access/v1/evaluations", questions(asked))], 5000, reference=False),
    ]


def psql(store, database, text):
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", store.url(database)]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())


def fill(store):
    begun = time.monotonic()
    psql(store, "postgres", "CREATE DATABASE postern;")
    subprocess.run([BINARY, "migrate", "--database", store.url()], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    psql(store, "postern", sql(POSTERN, args.users, args.organizations, TOKENS, args.most))
    psql(store, "postern", "VACUUM ANALYZE;")
    if not args.no_reference:
        psql(store, "postgres", "CREATE DATABASE django;")
        env = dict(os.environ, DJANGO_DATABASE="127.0.0.1:%d/django" % store.port)
        subprocess.run([PYTHON, "-B", BENCHES + "/django/service.py", "migrate", "-v", "0"], env=env, check=True)
        psql(store, "django", sql(DJANGO, args.users, args.organizations, TOKENS, args.most))
        psql(store, "django", "VACUUM ANALYZE;")
    print("%s users, %s organizations: filled in %d s" % (format(args.users, ","), format(args.organizations, ","), time.monotonic() - begun),
          file=sys.stderr, flush=True)


def postern(name, store):
    place = "%s/%s.d" % (RUN, name)
    os.makedirs(place, exist_ok=True)
    with open(place + "/routes.yaml", "w") as file:
        file.write(ROUTES)
    server = servers.Server(name, [BINARY, "serve", "--config", place + "/postern.yaml"])
    server.text = CONFIG % (store.url(), place + "/routes.yaml")
    return server


def start(server, place):
    """The configuration needs the ports, which are chosen when it starts."""
    path = "%s/%s.d/postern.yaml" % (RUN, server.name)
    ports = {"@PORT@": servers.free_port(), "@ADMIN@": servers.free_port()}
    text = server.text
    for name, port in ports.items():
        text = text.replace(name, str(port))
    with open(path, "w") as file:
        file.write(text)
    log = open("%s/%s.log" % (RUN, server.name), "w")
    server.port, server.admin = ports["@PORT@"], ports["@ADMIN@"]
    server.process = subprocess.Popen(["taskset", "-c", str(CORES[0]), *server.command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                      start_new_session=True, env=dict(os.environ, POSTERN_DATA_DIR=RUN))
    import socket
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return server
        except OSError:
            time.sleep(0.05)
    raise SystemExit("%s did not start; see %s" % (server.name, log.name))


def reference(store):
    command = [os.path.dirname(PYTHON) + "/gunicorn", "--chdir", BENCHES + "/django", "-b", "127.0.0.1:@PORT@", "-w", "1", "-k", "gthread", "--threads", "4",
               "--keep-alive", "75", "--log-level", "error", "service:application"]
    return servers.Server("reference", command, env={"DJANGO_DATABASE": "127.0.0.1:%d/django" % store.port, "PYTHONDONTWRITEBYTECODE": "1"})


def load(server, store, kind, seconds, connections):
    """One run of wrk: what a request costs, and how many a second."""
    path = RUN + "/data/requests.txt"
    with open(path, "w") as file:
        file.writelines("\t".join(request) + "\n" for request in kind.requests)
    spent = server.cpu_us(), store.cpu_us()
    command = ["taskset", "-c", str(CORES[-1]), "wrk", "-t1", "-c%d" % connections, "-d%ds" % max(1, round(seconds)),
               "--timeout", "30s", "-s", HERE + "/requests.lua", "http://127.0.0.1:%d" % server.port]
    done = subprocess.run(command, env=dict(os.environ, REQUESTS=path, TOKEN=token(kind.who)), capture_output=True, text=True, timeout=seconds + 120)
    found = re.search(r"^JSON (.*)$", done.stdout, re.M)
    if not found:
        raise SystemExit("wrk against %s: %s" % (server.name, (done.stdout + done.stderr)[-300:]))
    run = json.loads(found[1])
    count = max(1, run["requests"])
    if run["wrong"]:
        raise SystemExit("%d of %d wrong answers of %s to %s" % (run["wrong"], count, server.name, kind.name))
    return {"cpu_us": (server.cpu_us() - spent[0]) / count, "database_us": (store.cpu_us() - spent[1]) / count,
            "per_second": count / (run["us"] / 1e6), "bytes": run["bytes"] / count, "requests": count}


def one_by_one(server, store, kind, count=200, patience=5):
    """How long one takes that nobody else's stand before."""
    client, times, begun = Client(server.port), [], time.monotonic()
    spent = server.cpu_us(), store.cpu_us()
    for n in range(count):
        method, path, body = kind.requests[n % len(kind.requests)]
        times.append(ask(client, method, path, body, token(kind.who)))
        if time.monotonic() - begun > patience:
            break
    costs = {"cpu_us": (server.cpu_us() - spent[0]) / len(times), "database_us": (store.cpu_us() - spent[1]) / len(times),
             "per_second": len(times) / (time.monotonic() - begun)}
    times.sort()
    return dict(costs, p50_us=times[len(times) // 2] * 1e6, p99_us=times[len(times) * 99 // 100] * 1e6, asked=len(times))


def answer(client, method, path, body, secret):
    """The status, the body, and how long they took."""
    head = "%s %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        method, path, secret, len(body), body)
    return client.exchange(head.encode())


def ask(client, method, path, body, secret, wanted=(200,)):
    status, got, took = answer(client, method, path, body, secret)
    if wanted and status not in wanted:
        raise SystemExit("%d for %s %s: %s" % (status, method, path, got[:300].decode()))
    return took if wanted else status


def measure(kind, ours, theirs, store):
    """The reference follows each run at once, so that the ratio is of two runs under the same load."""
    found = {"name": kind.name, "target_us": kind.target, "latency_target_ms": kind.latency, "runs": [], "reference_runs": []}
    if kind.warm:
        one_by_one(ours, store, kind, kind.warm)
    found.update(one_by_one(ours, store, kind))
    for _ in range(args.rounds):
        if found["p50_us"] > SLOW:
            # Sixteen at once would keep the database busy for longer than the run, and are measured one by one.
            found["runs"] = [found]
            break
        found["runs"].append(load(ours, store, kind, args.seconds, args.connections))
        if theirs and kind.reference:
            found["reference_runs"].append(load(theirs, store, kind, args.seconds, 4))
    least = lambda runs, what: min(run[what] for run in runs)
    found["cpu_us"], found["database_us"] = least(found["runs"], "cpu_us"), least(found["runs"], "database_us")
    found["per_second"] = max(run["per_second"] for run in found["runs"])
    if found["reference_runs"]:
        found["reference_us"] = least(found["reference_runs"], "cpu_us")
        found["reference_per_second"] = max(run["per_second"] for run in found["reference_runs"])
        found["ratio"] = statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(found["runs"], found["reference_runs"]))
    found["runs"] = [run for run in found["runs"] if run is not found]
    print("%-45s %7.0f µs%s" % (kind.name, found["cpu_us"], "; reference %7.0f µs, × %.0f" % (found["reference_us"], found["ratio"]) if "ratio" in found else ""),
          file=sys.stderr, flush=True)
    return found


def walk(server, pages=2000):
    """Through a list of 100 users a page by cursor, as deep as that goes."""
    client, times, path = Client(server.port), [], "/api/v1/users/user/?page_size=100&cursor="
    while path and len(times) < pages:
        status, got, took = answer(client, "GET", path, "", token(0))
        if status != 200:
            raise SystemExit("%d for %s" % (status, path))
        times.append(took * 1e6)
        link = json.loads(got)["next"]
        path = link and link[link.index("/api/"):]
    middle = lambda some: sorted(some)[len(some) // 2]
    tenth = max(1, len(times) // 10)
    return {"pages": len(times), "p50_us": middle(times), "p99_us": sorted(times)[len(times) * 99 // 100],
            "first_us": middle(times[:tenth]), "last_us": middle(times[-tenth:])}


def sight(replicas):
    """From the answer to a change at one replica until the last of them all refuses whom it concerns."""
    times = []
    writer, readers = Client(replicas[0].port), [Client(server.port) for server in replicas]
    for n in range(2, 2 + args.changes):
        for reader in readers:
            if ask(reader, "GET", "/x", "", token(n), None) == 401:
                raise SystemExit("user %d is refused before the change" % n)
        seen = [0.0] * len(readers)

        def watch(at, reader):
            while ask(reader, "GET", "/x", "", token(n), None) != 401:
                pass
            seen[at] = time.perf_counter()
        watchers = [threading.Thread(target=watch, args=pair) for pair in enumerate(readers)]
        ask(writer, "PATCH", "/api/v1/users/user/%s/" % uid(1, n), '{"is_active": false}', token(0))
        done = time.perf_counter()
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join(30)
        times.append(max(0.0, max(seen) - done))
    times.sort()
    return {"changes": len(times), "p50_us": times[len(times) // 2] * 1e6, "p99_us": times[len(times) * 99 // 100] * 1e6}


def export(store):
    """All users, as the reference exports them, to a file that is thrown away."""
    begun = time.monotonic()
    with open(RUN + "/export.csv", "w") as out, open(RUN + "/export.log", "w") as log:
        process = subprocess.Popen([BINARY, "export-users", "--database", store.url(), "--filename", "-"], stdout=out, stderr=log,
                                   env=dict(os.environ, POSTERN_DATA_DIR=RUN))
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("export-users failed; see %s/export.log" % RUN)
    took = time.monotonic() - begun
    size = os.path.getsize(RUN + "/export.csv")
    os.unlink(RUN + "/export.csv")
    return {"seconds": took, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024, "bytes": size}


def table(found):
    micros = lambda value: "" if value is None else "%.2f ms" % (value / 1e3) if value >= 1000 else "%d µs" % value
    number = lambda value: "" if value is None else format(int(value), ",")
    print("\n| | CPU | target | a second, one core | p50 | p99 | target | CPU in the database | reference's CPU | × |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in found["requests"]:
        wanted = row["latency_target_ms"]
        cells = [micros(row["cpu_us"]), micros(row["target_us"]), number(row["per_second"]), micros(row["p50_us"]), micros(row["p99_us"]),
                 "%d ms" % wanted if wanted else "", micros(row["database_us"]), micros(row.get("reference_us")), number(row.get("ratio"))]
        print("| %s | %s |" % (row["name"], " | ".join(cells)))
    if "pages" in found:
        print("\n| Pages of the admin UI | CPU | p50 | p99 | CPU in the database | KiB |")
        print("|---|---:|---:|---:|---:|---:|")
        for row in found["pages"]:
            cells = [micros(row["cpu_us"]), micros(row["p50_us"]), micros(row["p99_us"]), micros(row["database_us"]), "%d" % (row["bytes"] / 1024)]
            print("| %s | %s |" % (row["name"], " | ".join(cells)))
    if "walk" in found:
        print("\n%s pages of 100 users by cursor: %s (p50), %s (p99); the first tenth of them %s, the last %s." % (
            number(found["walk"]["pages"]), *(micros(found["walk"][what]) for what in ("p50_us", "p99_us", "first_us", "last_us"))))
    if "sight" in found:
        print("\nA change is seen by three replicas after %s (p50), %s (p99), of %d." % (
            micros(found["sight"]["p50_us"]), micros(found["sight"]["p99_us"]), found["sight"]["changes"]))
    if "export" in found:
        print("`export-users` of %s users: %.1f s, %.1f s of CPU, %d MiB at most, %d MB written." % (
            number(args.users), found["export"]["seconds"], found["export"]["cpu_s"], found["export"]["peak_mib"], found["export"]["bytes"] / 1e6))


def main():
    place = fresh(RUN)
    store = Postgres("/tmp/postern-identity-%d" % os.getpid())
    started, found = [], {"users": args.users, "organizations": args.organizations, "requests": []}
    try:
        fill(store)
        ours = start(postern("postern", store), place)
        started.append(ours)
        theirs = None
        if not args.no_reference:
            theirs = reference(store).start(place, CORES[0])
            started.append(theirs)
        for kind in kinds():
            if not args.only or args.only in kind.name:
                found["requests"].append(measure(kind, ours, theirs, store))
        if not args.only or args.only in "cursors":
            found["walk"] = walk(ours)
        if not args.only or args.only in "pages":
            found["pages"] = pages.measure(BINARY, ours, store, Client(ours.port), args.users, args.organizations)
        if not args.only or args.only in "replicas":
            for name in ("second", "third"):
                started.append(start(postern(name, store), place))
            found["sight"] = sight([server for server in started if server is not theirs])
        if not args.only or args.only in "export":
            found["export"] = export(store)
    finally:
        for server in started:
            server.stop()
        store.stop()
        if args.json:
            with open(args.json, "w") as file:
                json.dump(found, file, indent=1)
    table(found)


main()
