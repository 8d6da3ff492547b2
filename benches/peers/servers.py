"""Starts the servers, each pinned to one core, and reads what they cost."""
import getpass
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conf")
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process tree that listens on `port`. `command` and the template may hold @NAME@, @PORT@ and the like."""

    def __init__(self, name, command, *templates, env=None, one_port=False):
        """The files are made of `templates` and stand in the command as @CFG@, @CFG1@ and so on. `one_port`: HTTP/2 comes in
        where HTTP/1.1 does; otherwise it has a port of its own."""
        self.name, self.command, self.templates, self.env, self.one_port = name, command, templates, env or {}, one_port
        self.log, self.port, self.h2port, self.process = None, None, None, None

    def start(self, place, core, under=()):
        """Starts it on `core`, under the tool `under` if there is one, and waits until it accepts."""
        self.port, self.h2port = free_port(), free_port()
        values = dict(place, NAME=self.name, PORT=self.port, SECOND=self.h2port, ADMIN=free_port(), USER=getpass.getuser())

        def fill(text):
            return re.sub(r"@([A-Z]+[0-9]*)@", lambda m: str(values[m[1]]), text)

        # In a directory of its own: postern watches it, and logs are written beside.
        os.makedirs("%s/%s.d" % (place["RUN"], self.name), exist_ok=True)
        for number, template in enumerate(self.templates):
            path = "%s/%s.d/%s" % (place["RUN"], self.name, template)
            with open(os.path.join(CONF, template)) as file, open(path, "w") as out:
                out.write(fill(file.read()))
            values["CFG%s" % (number or "")] = path
        command = ["taskset", "-c", str(core), *under, *map(fill, self.command)]
        if self.one_port:
            self.h2port = self.port
        self.log = "%s/%s.log" % (place["RUN"], self.name)
        with open(self.log, "w") as log:
            env = dict(os.environ, **{key: fill(value) for key, value in self.env.items()})
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        self.stop()
        raise SystemExit("%s did not start; see %s" % (self.name, self.log))

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def pids(self):
        """The process and its children."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for children in glob.glob("/proc/%d/task/*/children" % pid):
                with open(children) as file:
                    todo += map(int, file.read().split())
        return found

    def cpu_us(self):
        """Time on the processor so far, user and kernel, all threads: the scheduler's own count, in µs."""
        total = 0.0
        for pid in self.pids():
            nanos = 0
            for stat in glob.glob("/proc/%d/task/*/schedstat" % pid):
                with open(stat) as file:
                    nanos += int(file.read().split()[0])
            if nanos == 0:
                with open("/proc/%d/stat" % pid) as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                nanos = (int(fields[11]) + int(fields[12])) * 1e9 / TICK
            total += nanos / 1e3
        return total

    def pss_mib(self):
        """Proportional set size."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])
        return total / 1024


def upstream():
    return Server("upstream", ["nginx", "-p", "@RUN@", "-c", "@CFG@"], "upstream.conf")


def haproxy():
    return Server("haproxy-map", ["haproxy", "-db", "-f", "@CFG@"], "haproxy.cfg")


def nginx():
    return Server("nginx-map", ["nginx", "-p", "@RUN@", "-c", "@CFG@"], "nginx.conf")


def postern(binary, access_log, tls=False):
    command = [binary, "serve", "--workers", "1", "--listen", "127.0.0.1:@PORT@", "--management", "127.0.0.1:@ADMIN@",
               "--upstream", "http://127.0.0.1:@UPSTREAM@", "--policy", "@CFG@"]
    env = {"POSTERN__DATABASE": "sqlite://@STORE@", "POSTERN__LOG__ACCESS": "true" if access_log else "false"}
    if tls:
        env.update(POSTERN__TLS__CERT="@DATA@/tls.crt", POSTERN__TLS__KEY="@DATA@/tls.key")
    return Server("postern-tls" if tls else "postern-log" if access_log else "postern", command, "routes.yaml", env=env, one_port=True)


def nginx_tls():
    return Server("nginx-tls", ["nginx", "-p", "@RUN@", "-c", "@CFG@"], "nginx-tls.conf")


def envoy(binary, name="envoy-plain", template="envoy.yaml"):
    return Server(name, [binary, "-c", "@CFG@", "--concurrency", "1", "-l", "error", "--disable-hot-restart"], template)


def postern_jwt(binary):
    command = [binary, "serve", "--config", "@CFG1@", "--workers", "1", "--listen", "127.0.0.1:@PORT@", "--management", "127.0.0.1:@ADMIN@",
               "--upstream", "http://127.0.0.1:@UPSTREAM@", "--policy", "@CFG@"]
    env = {"POSTERN__DATABASE": "sqlite://@STORE@", "POSTERN__LOG__ACCESS": "false"}
    return Server("postern-jwt", command, "routes-jwt.yaml", "postern-jwt.yaml", env=env, one_port=True)


def versions(binary):
    """What is compared, in the programs' own words."""
    def first(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    found = {"haproxy": first("haproxy", "-v"), "nginx": first("nginx", "-v"), "wrk": first("wrk", "-v"), "postern": first(binary, "--version")}
    if shutil.which("valgrind"):
        found["valgrind"] = first("valgrind", "--version")
    return found
