"""What an import costs: see benches/README.md. Run it through benches/import.sh, which installs what it needs."""
import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "peers"))
import servers  # noqa: E402
from client import Client, spread  # noqa: E402
from dump import organizations_of, write  # noqa: E402
from stores import Postgres, fresh  # noqa: E402
from world import token, uid  # noqa: E402

EACH = 5
args = argparse.ArgumentParser(prog="benches/import.sh")
args.add_argument("--users", type=int, default=1_000_000, help="of the larger dump (default %(default)s); the smaller one has a tenth")
args.add_argument("--stores", default="sqlite,postgres", help="which (default %(default)s)")
args.add_argument("--sample", type=int, default=2000, help="credentials that are asked about afterwards (default %(default)s)")
args.add_argument("--json", metavar="FILE", help="write everything that was measured")
args.add_argument("--binary", help="this postern, instead of building one")
args = args.parse_args()

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target"))
RUN = TARGET + "/importing"
BINARY = os.path.abspath(args.binary or TARGET + "/release/postern")
CORES = sorted(os.sched_getaffinity(0))[:2]


class Sqlite:
    name = "SQLite"

    def __init__(self, size):
        self.path = "%s/%d.db" % (RUN, size)

    def url(self):
        return "sqlite://" + self.path

    def users(self):
        try:
            with sqlite3.connect(self.path) as db:
                return db.execute("SELECT count(*) FROM users").fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # before there was a schema

    def bytes(self):
        return os.path.getsize(self.path)


class InPostgres:
    name = "PostgreSQL"

    def __init__(self, size, server):
        self.server, self.database = server, "import_%d" % size
        self.psql("postgres", "CREATE DATABASE " + self.database)

    def psql(self, database, sql):
        done = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-d", self.server.url(database), "-c", sql], capture_output=True, text=True)
        return done.stdout.strip()

    def url(self):
        return self.server.url(self.database)

    def users(self):
        return int(self.psql(self.database, "SELECT count(*) FROM users") or 0)

    def bytes(self):
        return int(self.psql(self.database, "SELECT pg_database_size(current_database())"))


def largest(path, found, stop):
    """The most bytes that the log of SQLite takes meanwhile."""
    while not stop.wait(0.5):
        try:
            found[0] = max(found[0], os.path.getsize(path + "-wal"))
        except OSError:
            pass


def run(store, dump, kill_after=None):
    """One import: seconds, CPU seconds, peak of resident memory in bytes, and what it says."""
    command = [BINARY, "--database", store.url(), "import", "openwisp", "--json", "--sql", dump]
    begun, wal, stop = time.monotonic(), [0], threading.Event()
    watch = threading.Thread(target=largest, args=(getattr(store, "path", "/nonexistent"), wal, stop))
    watch.start()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, POSTERN_DATA_DIR=RUN))
    timer = threading.Timer(kill_after, lambda: os.kill(process.pid, signal.SIGKILL)) if kill_after else None
    if timer:
        timer.start()
    said = process.stdout.read()
    complaint = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    stop.set()
    watch.join()
    if timer:
        timer.cancel()
    elif process.returncode:
        raise SystemExit(complaint)
    return {"seconds": time.monotonic() - begun, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * 1024,
            "log_bytes": wal[0], "killed": process.returncode == -signal.SIGKILL, "report": json.loads(said) if said else None}


def serve(store, users, organizations, place):
    """How long a request of somebody takes who is read from the database, and of somebody who is known."""
    command = [BINARY, "serve", "--workers", "1", "--listen", "127.0.0.1:@PORT@", "--management", "127.0.0.1:@ADMIN@",
               "--upstream", "http://127.0.0.1:@UPSTREAM@", "--policy", HERE + "/routes.yaml"]
    server = servers.Server("served", command, env={"POSTERN__DATABASE": store.url(), "POSTERN__LOG__ACCESS": "false"})
    begun = time.monotonic()
    server.start(place, CORES[0])
    try:
        started = time.monotonic() - begun
        sample = random.Random(users).sample(range(users), min(args.sample, users))
        paths = [("/org/%s/x" % uid(2, organizations_of(n, organizations, EACH)[0]), token(n)) for n in sample]
        client = Client(server.port)
        return {"start_seconds": started, "cold": spread([client.ask(*path) for path in paths]),
                "warm": spread([client.ask(*path) for path in paths * 2][len(paths):])}
    except ConnectionError as error:
        # It may be about to say why.
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        with open(server.log) as log:
            raise SystemExit("%s; it ended with %s and said: %s" % (error, server.process.poll(), log.read())) from error
    finally:
        server.stop()


def main():
    place = fresh(RUN)
    stores = args.stores.split(",")
    server = Postgres("/tmp/postern-importing-%d" % os.getpid()) if "postgres" in stores else None
    upstream, results = servers.upstream(), []
    try:
        place["UPSTREAM"] = upstream.start(place, CORES[1]).port
        for users in (args.users // 10, args.users):
            organizations, dump = max(1, users // 10), "%s/%d.sql" % (RUN, users)
            with open(dump, "w", buffering=1 << 20) as out:
                write(out, users, organizations, EACH)
            for kind in stores:
                store = Sqlite(users) if kind == "sqlite" else InPostgres(users, server)
                found = {"store": store.name, "users": users, "memberships": users * EACH, "dump_bytes": os.path.getsize(dump)}
                before = [r["first"]["seconds"] * 4 for r in results if r["store"] == store.name]
                if before:
                    # Somewhere in the middle, as long as it takes ten times as long as a tenth.
                    interrupted = run(store, dump, before[0])
                    found["interrupted"] = {"after_seconds": before[0], "killed": interrupted["killed"], "users_left": store.users()}
                    if interrupted["killed"] and found["interrupted"]["users_left"]:
                        raise SystemExit("half an import was left behind: %d users" % found["interrupted"]["users_left"])
                found["first"], found["again"] = run(store, dump), run(store, dump)
                if found["first"]["report"] != found["again"]["report"] or found["first"]["report"]["left_out"] or store.users() != users:
                    raise SystemExit("not all is there: %s" % found)
                found["bytes"] = store.bytes()
                found["served"] = serve(store, users, organizations, place)
                results.append(found)
                print("%s, %s users: %d s, %.0f MiB; again %d s" % (store.name, format(users, ","), found["first"]["seconds"],
                      found["first"]["peak_bytes"] / 1048576, found["again"]["seconds"]), file=sys.stderr, flush=True)
            os.unlink(dump)
    finally:
        upstream.stop()
        if server:
            server.stop()
        if args.json:
            with open(args.json, "w") as file:
                json.dump(results, file, indent=1)
        shutil.rmtree(RUN, ignore_errors=True)
    table(results)


def table(results):
    def line(name, of):
        print("| %s | %s |" % (name, " | ".join(of(result) for result in results)))

    print("\n| into |%s" % "".join(" %s |" % result["store"] for result in results))
    print("|---|%s" % ("---:|" * len(results)))
    line("users", lambda r: format(r["users"], ","))
    line("memberships", lambda r: format(r["memberships"], ","))
    line("dump", lambda r: "%.2f GB" % (r["dump_bytes"] / 1e9))
    for which, name in (("first", "into an empty directory"), ("again", "the same again")):
        line(name, lambda r: "%.0f s" % r[which]["seconds"])
        line(name + ": CPU of postern", lambda r: "%.0f s" % r[which]["cpu_seconds"])
        line(name + ": memory at most", lambda r: "%.0f MiB" % (r[which]["peak_bytes"] / 1048576))
    line("log of SQLite at most", lambda r: "%.2f GB" % (r["first"]["log_bytes"] / 1e9) if r["store"] == "SQLite" else "")
    line("database afterwards", lambda r: "%.2f GB" % (r["bytes"] / 1e9))
    line("ended with kill -9 in the middle: users left", lambda r: str(r["interrupted"]["users_left"]) if r.get("interrupted", {}).get("killed") else "")
    line("`serve` on it: until it serves", lambda r: "%.2f s" % r["served"]["start_seconds"])
    for which in ("cold", "warm"):
        line("`serve` on it: %s, p50" % which, lambda r: "%d µs" % r["served"][which]["p50_us"])


main()
