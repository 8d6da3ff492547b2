"""User-space instructions a request: from the processor's counters where there are any, otherwise under callgrind.

callgrind counts every instruction of every thread of a simulated processor without SHA extensions, so a SHA-256 that the
real one does in a few instructions is counted in full: an upper bound. It is also so slow that what a server does by the clock
(housekeeping) weighs too much: the count of an idle stretch is taken off.
"""
import glob
import os
import re
import signal
import subprocess
import time

import load


def counters_work():
    try:
        done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True)
    except OSError:
        return False
    return bool(re.match(r"\d+,", done.stderr))


def by_counters(server, workload, tokens, count):
    pids = ",".join(map(str, server.pids()))
    perf = subprocess.Popen(["perf", "stat", "-x,", "-e", "instructions:u", "-p", pids], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(0.3)
    load.exactly(workload, server, tokens, count)
    perf.send_signal(signal.SIGINT)
    text = perf.communicate()[1]
    total = sum(map(int, re.findall(r"^(\d+),", text, re.M)))  # a line for each kind of core
    if total == 0:
        raise SystemExit("perf stat counted nothing: " + text)
    return total / count


class Callgrind:
    """A server that runs under callgrind."""

    OPTIONS = ()

    def __init__(self, server, place, core):
        self.base = "%s/callgrind.%s" % (place["RUN"], server.name)
        for old in glob.glob(self.base + "*"):
            os.remove(old)
        self.server = server.start(place, core, ["valgrind", "-q", "--tool=callgrind", *self.OPTIONS, "--callgrind-out-file=" + self.base])

    def control(self, what):
        subprocess.run(["callgrind_control", what, str(self.server.process.pid)], check=True, capture_output=True)

    def count(self, work):
        """Instructions while `work` runs, and how long it took."""
        self.control("--zero")
        begin = time.monotonic()
        work()
        took = time.monotonic() - begin
        self.control("--dump")
        newest = max(glob.glob(self.base + ".*"), key=os.path.getmtime)
        with open(newest) as file:
            return int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M)[1]), took

    def per_request(self, workload, tokens, count):
        load.exactly(workload, self.server, tokens, max(500, len(tokens)))  # warm: caches, pools, connections upstream
        idle, idle_s = self.count(lambda: time.sleep(2))
        busy, busy_s = self.count(lambda: load.exactly(workload, self.server, tokens, count))
        return (busy - idle * busy_s / idle_s) / count
