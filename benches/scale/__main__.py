"""What a large directory costs: see benches/README.md. Run it through benches/scale.sh, which installs what it needs."""
import argparse
import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "peers"))
import load  # noqa: E402
import servers  # noqa: E402
from client import Client, spread  # noqa: E402
from stores import Postgres, Redis, fresh  # noqa: E402
from world import World, token, uid  # noqa: E402

STEPS = [(10_000, 1_000, 10_000), (100_000, 10_000, 100_000), (1_000_000, 100_000, 1_000_000), (1_000_000, 100_000, 10_000_000)]

args = argparse.ArgumentParser(prog="benches/scale.sh")
args.add_argument("--scale", type=float, default=1.0, help="of the numbers of users, organizations and tokens")
args.add_argument("--steps", type=int, default=len(STEPS), help="the first so many sizes (default %(default)s)")
args.add_argument("--sample", type=int, default=2000, help="credentials whose latency is measured (default %(default)s)")
args.add_argument("--warm", type=int, default=100_000, help="credentials in memory when memory is measured (default %(default)s)")
args.add_argument("--seconds", type=int, default=5, help="of each run of wrk")
args.add_argument("--quick", action="store_true", help="a hundredth of it, two sizes: does it run at all?")
args.add_argument("--json", metavar="FILE", help="write everything that was measured")
args.add_argument("--binary", help="this postern, instead of building one")
args = args.parse_args()
if args.quick:
    args.scale, args.steps, args.sample, args.warm, args.seconds = 0.01, 2, 300, 1000, 1

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target"))
RUN = TARGET + "/scale"
BINARY = os.path.abspath(args.binary or TARGET + "/release/postern")
CORES = sorted(os.sched_getaffinity(0))[:2]


def postern(name, store, redis):
    command = [BINARY, "serve", "--workers", "1", "--listen", "127.0.0.1:@PORT@", "--management", "127.0.0.1:@ADMIN@",
               "--upstream", "http://127.0.0.1:@UPSTREAM@", "--policy", HERE + "/routes.yaml"]
    env = {"POSTERN__DATABASE": store.url(), "POSTERN__REDIS": "redis://127.0.0.1:%d" % redis.port, "POSTERN__LOG__ACCESS": "false",
           "POSTERN__CACHE__CREDENTIALS": str(max(args.warm, 100_000))}
    return servers.Server(name, command, env=env)


def costs(world, store, server):
    """Pages that were asked for of the tables, and CPU times, after what is counted has been told."""
    time.sleep(2)
    pages = world.sql("""SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint FROM pg_statio_user_tables
                         WHERE relname IN ('users', 'tokens', 'memberships', 'organizations', 'owners')""")
    return int(pages), store.cpu_us(), server.cpu_us()


def measure(world, store, redis, place):
    """One size of the directory."""
    found = {"users": world.users, "organizations": world.organizations, "memberships": world.memberships, "tokens": world.tokens,
             "database_bytes": int(world.sql("SELECT pg_database_size(current_database())"))}
    rand = random.Random(world.tokens)
    sample = rand.sample(range(1, world.tokens), min(args.sample, world.tokens - 1))
    paths = [("/org/%s/x" % world.organization_of(n), token(n)) for n in sample]
    redis.ask("FLUSHALL")
    first, second = postern("first", store, redis), postern("second", store, redis)
    try:
        for server in (first, second):
            server.start(place, CORES[0])
        clients = [Client(server.port) for server in (first, second)]
        # Connections to the stores are made and statements prepared by the first who need them.
        for n in range(64):
            for client in clients:
                client.ask("/x", token(world.tokens - 1 - n))
        before = costs(world, store, first)
        found["cold"] = spread([clients[0].ask(*path) for path in paths])
        spent = [(after - was) / len(paths) for after, was in zip(costs(world, store, first), before)]
        found["cold"].update(zip(("pages", "database_cpu_us", "replica_cpu_us"), spent))
        found["redis"] = spread([clients[1].ask(*path) for path in paths])
        found["warm"] = spread([clients[0].ask(*path) for path in paths * 3][len(paths):])
        if world.everywhere:
            path = ("/org/%s/x" % uid(2, world.most // 2), token(0))
            before = set(redis.ask("KEYS", "*").split())
            found["everywhere"] = {"organizations": int(world.sql("SELECT count(*) FROM memberships WHERE user_id = '%s'" % uid(1, 0))),
                                   "cold_us": clients[0].ask(*path) * 1e6}
            time.sleep(0.5)
            entry = [key for key in redis.ask("KEYS", "*").split() if key not in before and ":t:" in key]
            found["everywhere"].update(redis_us=clients[1].ask(*path) * 1e6, redis_bytes=int(redis.ask("STRLEN", *entry[:1]) or 0),
                                       warm_us=spread([clients[0].ask(*path) for _ in range(500)])["p50_us"])
        warm = [token(n) for n in rand.sample(range(world.tokens), min(10_000, world.tokens))]
        everybody = load.WORKLOADS["W2"]
        load.exactly(everybody, first, warm, len(warm))
        with open(place["DATA"] + "/tokens.txt", "w") as file:
            file.writelines(secret + "\n" for secret in warm)
        runs = [load.run(everybody, first, place["DATA"], CORES[1], args.seconds) for _ in range(3)]
        wrong = sum(run["wrong"] for run in runs)
        if wrong:
            raise SystemExit("%d wrong answers under load" % wrong)
        found["load"] = {"cpu_us": min(run["cpu_us"] for run in runs), "per_second": max(run["per_second"] for run in runs)}
        found["memory"] = memory(world, store, redis, place)
    finally:
        first.stop()
        second.stop()
    return found


def memory(world, store, redis, place):
    """A fresh replica and an empty Redis: what each credential adds to them; and how long it takes to read them all."""
    count = min(args.warm, world.tokens)
    redis.ask("FLUSHALL")
    server = postern("memory", store, redis).start(place, CORES[0])
    try:
        load.exactly(load.WORKLOADS["W2"], server, [token(n) for n in range(64)], 64)
        time.sleep(1)
        (used, entries), pss = redis.memory(), server.pss_mib()
        begun = time.monotonic()
        load.exactly(load.WORKLOADS["W2"], server, [token(n) for n in range(64, count)], count - 64)
        took = time.monotonic() - begun
        time.sleep(2)
        (used_after, entries_after), pss_after = redis.memory(), server.pss_mib()
    finally:
        server.stop()
    new = max(1, entries_after - entries)
    return {"credentials": count, "replica_bytes": (pss_after - pss) * 1048576 / max(1, count - 64), "redis_bytes": (used_after - used) / new,
            "redis_entries": entries_after, "cold_per_second": (count - 64) / took, "replica_mib": pss_after}


def table(results):
    def line(name, of):
        cells = []
        for result in results:
            try:
                cells.append(of(result))
            except KeyError:
                cells.append("")
        print("| %s | %s |" % (name, " | ".join(cells)))

    micros = lambda part, which: lambda r: "%.2f ms" % (r[part][which] / 1e3) if r[part][which] >= 1000 else "%d µs" % r[part][which]
    print("\n| tokens |%s" % "".join(" %s |" % format(r["tokens"], ",") for r in results))
    print("|---|%s" % ("---:|" * len(results)))
    for name in ("users", "organizations", "memberships"):
        line(name, lambda r, name=name: format(r[name], ","))
    line("database", lambda r: "%.2f GB" % (r["database_bytes"] / 1e9))
    for part, name in (("cold", "cold"), ("redis", "found in Redis"), ("warm", "warm")):
        for which in ("p50", "p99"):
            line("%s, %s" % (name, which), micros(part, which + "_us"))
    line("cold: pages of the database", lambda r: "%.0f" % r["cold"]["pages"])
    line("cold: CPU in the database", lambda r: "%.0f µs" % r["cold"]["database_cpu_us"])
    line("cold: CPU in the replica", lambda r: "%.0f µs" % r["cold"]["replica_cpu_us"])
    line("warm under load, CPU a request", lambda r: "%.1f µs" % r["load"]["cpu_us"])
    line("cold credentials a second", lambda r: format(int(r["memory"]["cold_per_second"]), ","))
    line("memory a known credential", lambda r: "%d B" % r["memory"]["replica_bytes"])
    line("Redis a credential", lambda r: "%d B" % r["memory"]["redis_bytes"])
    name = lambda what: "a user of many organizations: %s" % what
    line(name("how many"), lambda r: format(r["everywhere"]["organizations"], ","))
    line(name("cold"), micros("everywhere", "cold_us"))
    line(name("found in Redis"), micros("everywhere", "redis_us"))
    line(name("warm"), micros("everywhere", "warm_us"))
    line(name("entry in Redis"), lambda r: "%d KiB" % (r["everywhere"]["redis_bytes"] / 1024))


def main():
    place = fresh(RUN)
    # Not under target/, which the server's user may not be able to enter.
    store, redis = Postgres("/tmp/postern-scale-%d" % os.getpid()), Redis()
    upstream, results = servers.upstream(), []
    try:
        place["UPSTREAM"] = upstream.start(place, CORES[1]).port
        subprocess.run(["psql", "-X", "-q", "-d", store.url("postgres"), "-c", "CREATE DATABASE postern"], check=True)
        subprocess.run([BINARY, "migrate", "--database", store.url()], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        world = World(store.url(), most=int(5000 * min(1, args.scale)))
        for step in STEPS[:args.steps]:
            begun = time.monotonic()
            world.grow(*(max(100, int(number * args.scale)) for number in step))
            loaded = time.monotonic() - begun
            results.append(dict(measure(world, store, redis, place), load_seconds=loaded))
            print("%s tokens: loaded in %d s, cold p50 %d µs, warm p50 %d µs" % (
                format(world.tokens, ","), loaded, results[-1]["cold"]["p50_us"], results[-1]["warm"]["p50_us"]), file=sys.stderr, flush=True)
    finally:
        upstream.stop()
        redis.stop()
        store.stop()
        if args.json:
            with open(args.json, "w") as file:
                json.dump(results, file, indent=1)
    table(results)


main()
