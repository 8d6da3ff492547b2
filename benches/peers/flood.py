"""What five hundred logins at once cost everybody else: instructions of the worker's thread, a request, without them and while they are worked on."""
import asyncio
import glob
import json
import os
import re
import shutil
import time

import instructions
import load
import report
import servers

LOGINS = 500
# At most, as a ratio.
TARGET = 1.05


class Threads(instructions.Callgrind):
    """Counts each thread apart."""

    OPTIONS = ("--separate-threads=yes", "--fair-sched=yes")

    def of_worker(self, work):
        """Instructions of the thread that had most to do with `work`'s requests: named by what it had to do before."""
        self.control("--zero")
        work()
        before = set(glob.glob(self.base + ".*"))
        self.control("--dump")
        found = {}
        for path in set(glob.glob(self.base + ".*")) - before:
            with open(path) as file:
                text = file.read()
            thread, total = re.search(r"^thread: (\d+)", text, re.M), re.search(r"^(?:summary|totals): (\d+)", text, re.M)
            if thread and total:
                found[int(thread[1])] = int(total[1])
        return found


def login(server, number):
    body = json.dumps({"username": "nobody-%d" % number, "password": "guess"})
    return ("POST /api/v1/users/token/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (server.port, len(body), body)).encode()


class Flood:
    """Five hundred clients who have sent a login and wait; in a loop of its own, which runs when it is asked to."""

    def __init__(self, server):
        self.server, self.loop, self.answers, self.writers = server, asyncio.new_event_loop(), [], []

    def begin(self):
        self.loop.run_until_complete(self.send())

    async def send(self):
        async def wait(reader):
            self.answers.append((await load.answer(reader))[0])
        for number in range(LOGINS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(login(self.server, number))
            self.loop.create_task(wait(reader))
            self.writers.append(writer)  # or they would be closed
        # Those who find no room are told at once.
        seen = -1
        while not self.answers or len(self.answers) > seen:
            seen = len(self.answers)
            await asyncio.sleep(3)

    def end(self):
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def waiting(self):
        self.loop.run_until_complete(asyncio.sleep(0.1))
        return LOGINS - len(self.answers)


def measure(place, core, binary, world, requests):
    if not shutil.which("callgrind_control"):
        return None
    server = servers.postern(binary, False)
    # Each costs so much that some are worked on as long as this takes; nobody is limited by address.
    server.env.update(POSTERN__IDENTITY__TOKEN__THROTTLE="none", POSTERN__IDENTITY__PASSWORDS__PASSES="60", POSTERN__IDENTITY__PASSWORDS__QUEUE="64")
    workload, token = load.WORKLOADS["W1"], world.rows[0][0]
    try:
        threads = Threads(server, place, core)
        load.exactly(workload, server, [token], 500)
        alone = threads.of_worker(lambda: load.exactly(workload, server, [token], requests))
        worker = max(alone, key=alone.get)
        flood = Flood(server)
        flood.begin()
        begun = flood.waiting()
        beside = threads.of_worker(lambda: load.exactly(workload, server, [token], requests))
        left = flood.waiting()
        flood.end()
    finally:
        server.stop()
    if not left:
        raise SystemExit("the flood was over before the requests were")
    ratio = beside[worker] / alone[worker]
    statuses = {status: flood.answers.count(status) for status in sorted(set(flood.answers))}
    print()
    report.table([["The worker's user instructions a request (callgrind)", "alone", "beside %d logins" % LOGINS, "×", "target", "met"],
                  ["W1", "%.0f" % (alone[worker] / requests), "%.0f" % (beside[worker] / requests), "%.2f" % ratio, "%.2f" % TARGET, report.verdict(ratio, TARGET)]])
    print("\n%d logins were being worked on or waited before, %d after; answered so far: %s" % (begun, left, statuses))
    return {"alone": alone[worker] / requests, "beside": beside[worker] / requests, "waiting": [begun, left], "answered": statuses}
