"""postern beside a Django REST service: see benches/README.md. Run it through benches/django.sh, which installs what it needs."""
import argparse
import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BENCHES = os.path.dirname(HERE)
sys.path[1:1] = [BENCHES + "/scale", BENCHES + "/peers"]
import load  # noqa: E402
import servers  # noqa: E402
from client import Client, spread  # noqa: E402
from dump import organizations_of, write  # noqa: E402
from stores import Postgres, Redis, fresh  # noqa: E402
from world import token, uid  # noqa: E402

EACH = 5
args = argparse.ArgumentParser(prog="benches/django.sh")
args.add_argument("--users", type=int, default=100_000, help="each with a token and five organizations (default %(default)s)")
args.add_argument("--sample", type=int, default=2000, help="credentials whose latency is measured (default %(default)s)")
args.add_argument("--crowd", type=int, default=10_000, help="different credentials at once, for rates and CPU times (default %(default)s)")
args.add_argument("--seconds", type=int, default=5, help="of each run of wrk")
args.add_argument("--json", metavar="FILE", help="write everything that was measured")
args.add_argument("--binary", help="this postern, instead of building one")
args.add_argument("--venv", required=True, help="where gunicorn and openwisp-users are")
args = args.parse_args()

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target"))
RUN = TARGET + "/beside-django"
BINARY = os.path.abspath(args.binary or TARGET + "/release/postern")
PYTHON = os.path.abspath(args.venv) + "/bin/python"
CORES = sorted(os.sched_getaffinity(0))[:2]
ORGANIZATIONS = max(10, args.users // 10)


def psql(store, database, *more, stdin=None):
    done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", store.url(database), *more], stdin=stdin, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())


def fill(store):
    """The same people for both: a dump into Django's tables, and from there into postern's, as anybody would move."""
    for database in ("django", "postern"):
        psql(store, "postgres", "-c", "CREATE DATABASE " + database)
    env = dict(os.environ, DJANGO_DATABASE="127.0.0.1:%d/django" % store.port)
    subprocess.run([PYTHON, "-B", HERE + "/service.py", "migrate", "-v", "0"], env=env, check=True)
    dump = RUN + "/dump.sql"
    with open(dump, "w", buffering=1 << 20) as out:
        # Rows stand in a dump before those that they refer to; what Django has made of itself goes first.
        out.write("SET session_replication_role = replica;\n")
        for table in ("auth_permission", "auth_group", "django_content_type", "auth_group_permissions"):
            out.write("DELETE FROM %s;\n" % table)
        write(out, args.users, ORGANIZATIONS, EACH)
    psql(store, "django", "-f", dump)
    psql(store, "django", "-c", "ANALYZE")
    os.unlink(dump)
    said = subprocess.run([BINARY, "--database", store.url(), "import", "openwisp", "--json", "--from", store.url("django")],
                          env=dict(os.environ, POSTERN_DATA_DIR=RUN), check=True, capture_output=True, text=True)
    if json.loads(said.stdout)["kept"]["user"] != args.users:
        raise SystemExit(said.stdout)
    psql(store, "postern", "-c", "ANALYZE")


def django(store):
    command = [os.path.dirname(PYTHON) + "/gunicorn", "--chdir", HERE, "-b", "127.0.0.1:@PORT@", "-w", "2", "-k", "gthread", "--threads", "4",
               "--keep-alive", "75", "--log-level", "error", "service:application"]
    return servers.Server("django", command, env={"DJANGO_DATABASE": "127.0.0.1:%d/django" % store.port, "PYTHONDONTWRITEBYTECODE": "1"})


def postern(name, store, redis):
    command = [BINARY, "serve", "--workers", "1", "--listen", "127.0.0.1:@PORT@", "--management", "127.0.0.1:@ADMIN@",
               "--upstream", "http://127.0.0.1:@UPSTREAM@", "--policy", BENCHES + "/scale/routes.yaml"]
    return servers.Server(name, command, env={"POSTERN__DATABASE": store.url(), "POSTERN__REDIS": "redis://127.0.0.1:%d" % redis.port,
                                              "POSTERN__LOG__ACCESS": "false"})


def request(n):
    """Somebody's thing in an organization of theirs."""
    return "/org/%s/x" % uid(2, organizations_of(n, ORGANIZATIONS, EACH)[0]), token(n)


def one_by_one(client, requests):
    return spread([client.ask(*one) for one in requests])


def crowd(server, store, requests):
    """Every request once, over 16 connections: the CPU time of each, here and in the database."""
    import asyncio
    left = iter(requests)

    async def connection():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for path, secret in left:
            writer.write(load.head(server, path, secret))
            status, body = await load.answer(reader)
            if status != 200:
                raise SystemExit("%s answered %d: %s" % (server.name, status, body[:200]))
        writer.close()

    async def go():
        await asyncio.gather(*(connection() for _ in range(16)))

    time.sleep(1)
    spent, begun = (server.cpu_us(), store.cpu_us()), time.monotonic()
    asyncio.run(go())
    took = time.monotonic() - begun
    return {"per_second": len(requests) / took, "server_cpu_us": (server.cpu_us() - spent[0]) / len(requests),
            "database_cpu_us": (store.cpu_us() - spent[1]) / len(requests)}


def under_load(server, path, secret):
    """One request again and again from wrk, 16 connections."""
    with open(RUN + "/data/tokens.txt", "w") as file:
        file.write(secret + "\n")
    workload = load.Workload("same", "", path=path, connections=16)
    runs = [load.run(workload, server, RUN + "/data", CORES[1], args.seconds) for _ in range(3)]
    if any(run["wrong"] for run in runs):
        raise SystemExit("%d wrong answers of %s under load" % (sum(run["wrong"] for run in runs), server.name))
    return max(runs, key=lambda run: run["per_second"])


def main():
    place = fresh(RUN)
    store, redis = Postgres("/tmp/postern-django-%d" % os.getpid()), Redis()
    upstream, started, found = servers.upstream(), [], []

    def start(server):
        started.append(server.start(place, CORES[0]))
        return server

    try:
        place["UPSTREAM"] = upstream.start(place, CORES[1]).port
        fill(store)
        people = random.Random(args.users).sample(range(args.users), min(args.users, args.sample + args.crowd))
        sample, many = [[request(n) for n in some] for some in (people[:args.sample], people[args.sample:])]
        one, crowded = request(0), format(len(many), ",")

        # Connections are made and code is loaded by the first who come: not those that are measured.
        def warmed(server):
            for n in range(64):
                client = Client(server.port)
                client.ask(*request(args.users - 1 - n))
            return client

        server = start(django(store))
        client = warmed(server)
        found.append(dict(one_by_one(client, sample), name="Django, organizations not in its cache"))
        found.append(dict(one_by_one(client, sample), name="Django, in its cache"))
        found.append(dict(crowd(server, store, many), name="Django, %s callers, not in its cache" % crowded))
        found.append(dict(crowd(server, store, many), name="Django, %s callers, in its cache" % crowded))
        found.append(dict(under_load(server, *one), name="Django, one caller"))
        server.stop()

        first, second = start(postern("first", store, redis)), start(postern("second", store, redis))
        clients = [warmed(server) for server in (first, second)]
        for which, client, name in ((0, clients[0], "cold: from the database"), (1, clients[1], "found in Redis"), (0, clients[0], "warm")):
            found.append(dict(one_by_one(client, sample), name="postern, " + name))
            time.sleep(1)  # what was read is written to Redis
        for server, name in ((first, "cold"), (second, "found in Redis"), (first, "warm")):
            found.append(dict(crowd(server, store, many), name="postern, %s callers, %s" % (crowded, name)))
            time.sleep(1)
        found.append(dict(under_load(first, *one), name="postern, one caller"))
    finally:
        for server in started:
            server.stop()
        upstream.stop()
        redis.stop()
        store.stop()
        if args.json:
            with open(args.json, "w") as file:
                json.dump(found, file, indent=1)
    micros = lambda value: "" if value is None else "%.2f ms" % (value / 1e3) if value >= 1000 else "%d µs" % value
    print("\n| | p50 | p99 | requests a second, one core | CPU of the server | CPU in the database |\n|---|---:|---:|---:|---:|---:|")
    for row in found:
        rate = format(int(row["per_second"]), ",") if "per_second" in row else ""
        cells = [micros(row.get("p50_us")), micros(row.get("p99_us")), rate, micros(row.get("server_cpu_us", row.get("cpu_us"))),
                 micros(row.get("database_cpu_us"))]
        print("| %s | %s |" % (row["name"], " | ".join(cells)))


main()
