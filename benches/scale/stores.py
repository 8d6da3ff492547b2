"""A PostgreSQL and a Redis of one run's own, on loopback, gone with it."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time

SETTINGS = """
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = '%s'
fsync = off
synchronous_commit = off
autovacuum = off
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 1h
max_connections = 100
"""


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fresh(run):
    """An empty place for the files of one run; from now on a run that is terminated ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    shutil.rmtree(run, ignore_errors=True)
    os.makedirs(run + "/data/files")
    return {"RUN": run, "DATA": run + "/data"}


class Postgres:
    """Runs as the user postgres where we are root, which it refuses to run as."""

    def __init__(self, place):
        self.place, self.data, self.port = place, place + "/data", free_port()
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin = programs[-1] + "/" if programs else ""
        self.other = {}
        os.makedirs(place)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            self.other = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(place, owner.pw_uid, owner.pw_gid)
        self.run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D", self.data)
        with open(self.data + "/postgresql.conf", "a") as file:
            file.write(SETTINGS % (self.port, place))
        self.run("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", place + "/log")

    def run(self, program, *args):
        done = subprocess.run([self.bin + program, *args], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL, **self.other)
        if done.returncode:
            raise SystemExit("%s failed; see %s/log %s" % (program, self.place, (done.stderr or b"").decode()))

    def url(self, database="postern"):
        return "postgres://postgres@127.0.0.1:%d/%s?sslmode=disable" % (self.port, database)

    def cpu_us(self):
        """Time on the processor so far, of the processes that there are now."""
        with open(self.data + "/postmaster.pid") as file:
            first = int(file.readline())
        total = 0
        with open("/proc/%d/task/%d/children" % (first, first)) as file:
            for pid in [first, *map(int, file.read().split())]:
                try:
                    with open("/proc/%d/schedstat" % pid) as stat:
                        total += int(stat.read().split()[0])
                except OSError:
                    pass
        return total / 1e3

    def stop(self):
        self.run("pg_ctl", "stop", "-m", "immediate", "-s", "-D", self.data)
        shutil.rmtree(self.place, ignore_errors=True)


class Redis:
    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(200):
            if subprocess.run(["redis-cli", "-p", str(self.port), "ping"], capture_output=True).stdout == b"PONG\n":
                return
            time.sleep(0.02)
        raise SystemExit("redis-server did not start")

    def ask(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.port), *command], capture_output=True, text=True).stdout.strip()

    def memory(self):
        """Bytes in use, and how many entries."""
        info = dict(line.split(":", 1) for line in self.ask("INFO", "memory").splitlines() if ":" in line)
        return int(info["used_memory"]), int(self.ask("DBSIZE"))

    def stop(self):
        self.process.kill()
        self.process.wait()
