"""Sends each request of openwisp-users' own API tests to postern too, on what the test has made so far, and compares answers and effects.

Before a request the database of the test is dumped and imported; postern serves that, as `compat: openwisp`, to this one request. Then the
test goes on with Django's answer. Where that changed something, the database is imported anew and compared with what postern made of its own.
"""

import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import client
from django.test.runner import DiscoverRunner

POSTERN = os.environ["POSTERN_BIN"]
PREFIX = "/api/v1/users/"

# Ids, times and tokens are of each side's own.
OWN = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"^[0-9a-f]{40}$", "TOKEN"),
    (r"^http://[^/]+", "HOST"),
]

STATE = {
    "users": """SELECT username, email, first_name, last_name, phone_number, is_active, is_staff, is_superuser, bio, url, company, location,
        notes, language, birth_date, expiration_date, password_updated, email_blank, phone_blank, last_login IS NULL, password IS NULL
        FROM users""",
    "organizations": "SELECT slug, name, is_active, description, email, url FROM organizations",
    "memberships": """SELECT u.username, o.slug, is_admin FROM memberships m
        JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.organization_id""",
    "owners": """SELECT u.username, o.slug FROM owners m
        JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.organization_id""",
    "groups": "SELECT name FROM groups",
    "permissions of groups": """SELECT g.name, p.codename FROM group_permissions x
        JOIN groups g ON g.id = x.group_id JOIN permissions p ON p.id = x.permission_id""",
    "groups of users": """SELECT g.name, u.username FROM group_users m
        JOIN groups g ON g.id = m.group_id JOIN users u ON u.id = m.user_id""",
    "permissions of users": """SELECT u.username, p.codename FROM user_permissions m
        JOIN users u ON u.id = m.user_id JOIN permissions p ON p.id = m.permission_id""",
    "addresses": "SELECT u.username, e.email, e.verified, e.is_primary FROM email_addresses e JOIN users u ON u.id = e.user_id",
}

CONFIG = """
listen: 127.0.0.1:{port}
management: 127.0.0.1:0
database: sqlite:postern.db
upstreams: {{ nobody: "http://127.0.0.1:9" }}
policy: [routes.yaml]
compat: openwisp
log: {{ format: json, access: false }}
drain: {{ lame_duck: 0s }}
jobs: {{ deactivate_expired: off, expiration_reminder: off, password_reminder: off }}
identity:
  api: all
  token: {{ throttle: none, key: {{ env: TOKEN_KEY }} }}
  passwords: {{ algorithm: pbkdf2_sha256, iterations: 1000 }}
  sesame: {{ key: {{ env: DJANGO_SECRET_KEY }}, max_age: none }}
"""


class Cheap(PBKDF2PasswordHasher):
    iterations = 1000


class Incomparable(Exception):
    """A request that says nothing of postern, and why."""


class Postern:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = dict(os.environ, POSTERN_DATA_DIR=self.home.name, TOKEN_KEY="k" * 64, DJANGO_SECRET_KEY=settings.SECRET_KEY)
        self.write("postern.yaml", CONFIG.format(port=self.port))
        self.write("routes.yaml", "version: 1\nauthenticate: [bearer]\nroutes:\n  /**: authenticated\n")

    def path(self, name):
        return os.path.join(self.home.name, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def run(self, *args):
        command = [POSTERN, "--config", "postern.yaml", *args]
        done = subprocess.run(command, cwd=self.home.name, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise Incomparable(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def take_over(self, store):
        """What the test has made so far, its transaction included."""
        for name in os.listdir(self.home.name):
            if name.startswith(store):
                os.remove(self.path(name))
        connection.ensure_connection()
        self.write("dump.sql", "\n".join(connection.connection.iterdump()))
        # Without any user it is no installation to postern, and whoever asks is nobody in an empty directory too.
        if connection.connection.execute("SELECT 1 FROM openwisp_users_user").fetchone():
            self.run("--database", f"sqlite:{store}", "import", "openwisp", "--sql", "dump.sql")

    def ask(self, method, target, headers, body):
        command = [POSTERN, "--config", "postern.yaml", "serve"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd=self.home.name, env=self.environment, **quiet)
        try:
            for _ in range(300):
                way = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                try:
                    way.connect()
                    break
                except OSError:
                    time.sleep(0.03)
            way.request(method, target, body=body or None, headers=headers)
            answer = way.getresponse()
            return answer.status, answer.read().decode()
        finally:
            server.terminate()
            server.wait()

    def state(self, store):
        store = sqlite3.connect(self.path(store))
        return {what: sorted(map(repr, store.execute(sql))) for what, sql in STATE.items()}


postern = Postern()
original = client.Client.request
counts = {"answers": 0, "other answers": 0, "effects": 0, "other effects": 0, "not compared": 0}


def who(browser):
    """The user of a session; past the connection, since tests count its queries."""
    cookie = browser.cookies.get(settings.SESSION_COOKIE_NAME)
    sql = "SELECT session_data FROM django_session WHERE session_key = ?"
    row = cookie and connection.connection.execute(sql, [cookie.value]).fetchone()
    return row and SessionStore().decode(row[0]).get("_auth_user_id")


def settled(value):
    if isinstance(value, dict):
        # The order of keys is part of it.
        return [(key, settled(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    if isinstance(value, str):
        for pattern, name in OWN:
            value = re.sub(pattern, name, value)
    return value


def read(body):
    try:
        return settled(json.loads(body))
    except ValueError:
        return body


def ask(browser, environ, body):
    postern.take_over("postern.db")
    headers = {"Host": "testserver"}
    for name, value in environ.items():
        if name.startswith("HTTP_") and name not in ("HTTP_COOKIE", "HTTP_HOST"):
            headers[name[5:].replace("_", "-").title()] = value
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    user = who(browser)
    if user and "Authorization" not in headers:
        headers["Authorization"] = "Bearer " + postern.run("token", "create", "--user", user).strip()
    query = environ.get("QUERY_STRING")
    target = environ["PATH_INFO"] + (f"?{query}" if query else "")
    return postern.ask(environ["REQUEST_METHOD"], target, headers, body)


def compare(line, answer, response, method):
    theirs = response.content.decode()
    if response.status_code == 429:
        raise Incomparable("limits are kept from request to request, and each has a postern of its own")
    if theirs.lstrip().startswith("<") and answer[0] == response.status_code:
        raise Incomparable("pages are postern's own")
    if theirs == '["not allowed"]':
        raise Incomparable("a test puts a rule of its own into the view")
    counts["answers"] += 1
    if (response.status_code, read(theirs)) != (answer[0], read(answer[1])):
        counts["other answers"] += 1
        print(f"{line}\n  django:  {response.status_code} {theirs}\n  postern: {answer[0]} {answer[1]}")
    if method in ("GET", "HEAD", "OPTIONS") or response.status_code >= 400:
        return
    counts["effects"] += 1
    postern.take_over("after.db")
    ours, their_state = postern.state("postern.db"), postern.state("after.db")
    # A new directory has the usual groups, which the test may have deleted.
    there = {name for (name,) in connection.connection.execute("SELECT name FROM auth_group")}
    for what in STATE:
        expected = their_state[what]
        if "groups" in what:
            expected = [row for row in expected if any(f"'{name}'" in row for name in there)]
        if ours[what] != expected:
            counts["other effects"] += 1
            print(f"{line}: {what}\n  django:  {[row for row in expected if row not in ours[what]]}")
            print(f"  postern: {[row for row in ours[what] if row not in expected]}")


def request(browser, **environ):
    path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
    if not path.startswith(PREFIX):
        return original(browser, **environ)
    body = b""
    if "wsgi.input" in environ:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = client.FakePayload(body)
    answer = why = None
    try:
        answer = ask(browser, environ, body)
    except Incomparable as reason:
        why = reason
    response = original(browser, **environ)
    line = f"{method} {path}?{environ.get('QUERY_STRING', '')} {body[:200]!r}"
    try:
        if why:
            raise why
        compare(line, answer, response, method)
    except Incomparable as reason:
        counts["not compared"] += 1
        print(f"not compared: {line}: {reason}")
    return response


class Runner(DiscoverRunner):
    """What the tests say of Django is not the question: they count queries, and want a broker for its letters."""

    def get_test_runner_kwargs(self):
        return {**super().get_test_runner_kwargs(), "stream": open(os.devnull, "w")}

    def run_tests(self, *args, **options):
        client.Client.request = request
        super().run_tests(*args, **options)
        print(", ".join(f"{what}: {count}" for what, count in counts.items()))
        return counts["other answers"] + counts["other effects"] + (counts["answers"] == 0)


sys.stdout.reconfigure(line_buffering=True)
