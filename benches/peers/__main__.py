"""postern beside HAProxy and nginx: see benches/README.md. Run it through benches/peers.sh, which installs what it needs."""
import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import sys
import time

import edge
import flood
import instructions
import load
import report
import servers
import signed
from world import World

args = argparse.ArgumentParser(prog="benches/peers.sh")
args.add_argument("--rounds", type=int, default=5)
args.add_argument("--seconds", type=int, default=3, help="of each run")
args.add_argument("--workloads", default=",".join(load.WORKLOADS), help="some of %(default)s")
args.add_argument("--no-edge", action="store_true", help="leave out handshakes, idle connections and latency at a fixed rate")
args.add_argument("--no-jwt", action="store_true", help="leave out JWTs")
args.add_argument("--requests", type=int, default=6000, help="for the count of instructions; 0 to leave it out")
args.add_argument("--quick", action="store_true", help="one round of one second, fewer counted requests: does it run at all?")
args.add_argument("--json", metavar="FILE", help="write everything that was measured")
args.add_argument("--binary", help="this postern, instead of building one")
args.add_argument("--wait", type=int, default=3, help="wait so many seconds at most for the machine to be quiet before a run")
args = args.parse_args()
if args.quick:
    args.rounds, args.seconds, args.requests = 1, 1, min(args.requests, 1000)

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target"))
PLACE = {"RUN": TARGET + "/bench-peers", "DATA": TARGET + "/bench-peers/data", "STORE": TARGET + "/bench-peers/store/postern.db"}
BINARY = os.path.abspath(args.binary or TARGET + "/release/postern")
CORES = sorted(os.sched_getaffinity(0))[:2]


def prepare():
    """Fresh files, a fresh store."""
    shutil.rmtree(PLACE["RUN"], ignore_errors=True)
    os.makedirs(os.path.dirname(PLACE["STORE"]))
    os.makedirs(PLACE["DATA"])
    world = World(PLACE["DATA"])
    world.write()
    begin = time.monotonic()
    world.fill(BINARY, dict(os.environ, POSTERN__DATABASE="sqlite://" + PLACE["STORE"]))
    print("a store of %d tokens, filled in %.1f s" % (len(world.rows), time.monotonic() - begin), flush=True)
    return world


def check(server, world):
    """A server that is fast and wrong is not compared. Every token passes once, which warms every cache too."""
    token, org, user = world.rows[0]
    told = [org, user, "member"] if server.name.startswith("postern") else [org, user]
    spoofed = "X-Tenant-Org: spoofed\r\nX-Tenant-User: spoofed\r\n"
    status, body = load.ask(server, "/echo", token, spoofed)
    passed = status == 200 and body.decode().split(" ")[:len(told)] == told
    refused = [load.ask(server, "/echo", sent)[0] for sent in (world.bad, None)]
    if not passed or refused != [401, 401]:
        sys.exit("%s is wrong: a valid token with spoofed headers gave %d %s, a bad one %d, none %d" % (server.name, status, body, *refused))
    load.exactly(load.WORKLOADS["W2"], server, [row[0] for row in world.rows], len(world.rows))


def wait_for_quiet():
    """Returns when others take less than a tenth of the machine, or after `--wait` seconds."""
    def busy():
        with open("/proc/stat") as file:
            times = list(map(int, file.readline().split()[1:9]))
        return sum(times) - times[3] - times[4], sum(times)

    end = time.monotonic() + args.wait
    while time.monotonic() < end:
        before = busy()
        time.sleep(0.2)
        after = busy()
        if after[0] - before[0] < 0.1 * (after[1] - before[1]):
            return


def measure(workload, base, others):
    """Rounds in random order; each run right behind one of the baseline, so that both see the same machine."""
    runs = {server.name: [] for server in (base, *others)}
    for _ in range(args.rounds):
        for server in random.sample(others, len(others)):
            if os.path.getsize(server.log) > 64 << 20:
                os.truncate(server.log, 0)
            wait_for_quiet()
            before = load.run(workload, base, PLACE["DATA"], CORES[1], args.seconds)
            run = load.run(workload, server, PLACE["DATA"], CORES[1], args.seconds)
            run["ratio"] = run["cpu_us"] / before["cpu_us"]
            runs[base.name].append(before)
            runs[server.name].append(run)
    return runs


def count_instructions(workloads, world):
    """HAProxy and postern alone: one after the other, on the core that is not the client's."""
    counters = instructions.counters_work()
    if not counters and not shutil.which("callgrind_control"):
        print("\nno hardware counters and no valgrind: instructions are not counted")
        return None, {}
    found = {workload.name: {} for workload in workloads}
    for make in (servers.haproxy, lambda: servers.postern(BINARY, False)):
        server = make()
        try:
            callgrind = None if counters else instructions.Callgrind(server, PLACE, CORES[0])
            if counters:
                server.start(PLACE, CORES[0])
            for workload in workloads:
                tokens = [world.bad] if workload.refused else [row[0] for row in world.rows[:1000 if workload.many else 1]]
                if callgrind:
                    found[workload.name][server.name] = callgrind.per_request(workload, tokens, args.requests)
                else:
                    load.exactly(workload, server, tokens, max(500, len(tokens)))
                    found[workload.name][server.name] = instructions.by_counters(server, workload, tokens, args.requests)
        finally:
            server.stop()
    return "perf stat" if counters else "callgrind", found


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release()}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    if len(CORES) < 2:
        sys.exit("two cores are needed: one for the server, one for the load and the upstream")
    workloads = [load.WORKLOADS[name] for name in args.workloads.split(",") if name]
    result = {"machine": machine(), "versions": servers.versions(BINARY), "arguments": vars(args), "runs": {}, "times": {}}
    for name, version in {**result["machine"], **result["versions"]}.items():
        print("%s: %s" % (name, version))
    world = prepare()
    upstream, base = servers.upstream(), servers.haproxy()
    # A copy, so that the two do not share the program's pages, which would halve their proportional size.
    copy = shutil.copy(BINARY, PLACE["RUN"] + "/postern-log")
    others = [servers.nginx(), servers.postern(BINARY, False), servers.postern(copy, True)]
    try:
        PLACE["UPSTREAM"] = upstream.start(PLACE, CORES[1]).port
        idle = {server.name: server.start(PLACE, CORES[0]).pss_mib() for server in (base, *others)}
        for server in (base, *others):
            check(server, world)
        print("all of them let 10,000 tokens pass, replace spoofed headers, refuse a bad token and none\n\n"
              "core %d: the server, one worker; core %d: load and upstream; %d rounds of %d s, medians; × base: median of the ratios to "
              "the run of %s just before" % (*CORES, args.rounds, args.seconds, report.BASE), flush=True)
        after = dict.fromkeys(idle)
        for workload in workloads:
            runs = result["runs"][workload.name] = measure(workload, base, others)
            result["times"][workload.name] = report.times(workload, runs)
            if workload.name == "W2":
                after = {server.name: server.pss_mib() for server in (base, *others)}
            sys.stdout.flush()
        result["memory"] = {name: [idle[name], after[name]] for name in idle}
        report.memory(result["memory"])
        for server in (base, *others):
            server.stop()
        if not args.no_edge:
            result["edge"] = edge.measure(PLACE, CORES, BINARY, upstream, world.rows[0][0], 2 if args.quick else 3 * args.seconds)
        if not args.no_jwt:
            result["jwt"] = signed.measure(PLACE, CORES, BINARY, world, args.rounds, args.seconds, args.requests)
        if args.requests:
            how, counts = count_instructions([w for w in workloads if w.name in ("W1", "W2", "W3", "W4")], world)
            result["instructions"] = {"how": how, "counts": counts}
            if counts:
                report.instructions("%s, %d requests" % (how, args.requests), counts)
                result["flood"] = flood.measure(PLACE, CORES[0], BINARY, world, args.requests)
    finally:
        for server in (base, *others, upstream):
            server.stop()
    if args.json:
        with open(args.json, "w") as file:
            json.dump(result, file, indent=1)


main()
