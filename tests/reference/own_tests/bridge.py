"""Runs openwisp-users' API tests with postern in place of its API: on one PostgreSQL database, each request to it goes over HTTP to postern
and not to Django. Fixtures are made, and effects looked at, by Django's ORM. What cannot pass is in `listed.txt`, with reasons.
"""

import contextlib
import email
import email.policy
import http.client
import json
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from importlib import import_module
from uuid import UUID

import django.test
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import client
from django.test.runner import DiscoverRunner

# What postern serves with `compat: openwisp`: the API, and the pages that its letters lead to.
PREFIXES = ("/api/v1/users/", "/accounts/password/")
LISTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "listed.txt")

CONFIG = """
listen: 127.0.0.1:0
management: 127.0.0.1:0
public_url: http://testserver
database: {database}
schema: openwisp
compat: openwisp
upstreams: {{ nobody: "http://127.0.0.1:9" }}
policy: [routes.yaml]
log: {{ format: json, access: false }}
drain: {{ lame_duck: 0s }}
jobs: {{ deactivate_expired: off, expiration_reminder: off, password_reminder: off }}
mail: {{ server: "127.0.0.1:{mail}", from: postern@example.com, tls: none }}
identity:
  api: all
  token: {{ throttle: {throttle} }}
  passwords: {{ iterations: 1000, expire_after: {expire_after}, expire_after_staff: {expire_after_staff} }}
  django_session: {{ key: {{ env: DJANGO_SECRET_KEY }}, engine: database }}
"""
ROUTES = "version: 1\nauthenticate: [bearer, session]\nroutes:\n  /**: authenticated\n"


class Cheap(PBKDF2PasswordHasher):
    iterations = 1000


class Letters(socketserver.ThreadingTCPServer):
    """A mail server that puts what it takes where Django's tests look for letters."""

    daemon_threads = True

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self):
            self.say("220 letters")
            for line in self.rfile:
                command = line[:4].upper()
                if command == b"DATA":
                    self.say("354 go on")
                    self.take()
                self.say("221 bye" if command == b"QUIT" else "250 good")

        def say(self, line):
            self.wfile.write(f"{line}\r\n".encode())

        def take(self):
            lines = iter(self.rfile.readline, b".\r\n")
            # RFC 5321, 4.5.2: a line's first dot is doubled.
            text = b"".join(line.removeprefix(b".") for line in lines)
            letter = email.message_from_bytes(text, policy=email.policy.default)
            plain, html = (letter.get_body([kind]).get_content().rstrip("\n") for kind in ("plain", "html"))
            taken = mail.EmailMultiAlternatives(letter["Subject"], plain, letter["From"], [letter["To"]])
            taken.attach_alternative(html, "text/html")
            mail.outbox.append(taken)


class Postern:
    """One that serves the database, with what a test says of the settings."""

    def __init__(self, **values):
        self.home = tempfile.TemporaryDirectory()
        database = settings.DATABASES["default"]
        url = f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{connection.settings_dict['NAME']}"
        for name, text in [("postern.yaml", CONFIG.format(database=url, **values)), ("routes.yaml", ROUTES)]:
            with open(os.path.join(self.home.name, name), "w") as file:
                file.write(text)
        environment = dict(os.environ, POSTERN_DATA_DIR=self.home.name, DJANGO_SECRET_KEY=settings.SECRET_KEY)
        command = [os.environ["POSTERN_BIN"], "--config", "postern.yaml", "serve"]
        self.log = open(os.path.join(self.home.name, "log"), "w+")
        self.process = subprocess.Popen(command, cwd=self.home.name, env=environment, stdout=subprocess.DEVNULL, stderr=self.log)
        serving = self.serving()
        self.address, self.management = serving["address"], serving["management"]

    def serving(self):
        while self.process.poll() is None:
            with open(self.log.name) as log:
                for line in log:
                    if line.endswith("\n") and '"serving"' in line:
                        return json.loads(line)
            time.sleep(0.02)
        with open(self.log.name) as log:
            raise SystemExit(f"postern does not serve: {log.read()}")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        self.home.cleanup()

    def ask(self, *request, address=None):
        way = http.client.HTTPConnection(address or self.address, timeout=30)
        try:
            way.request(*request)
            answer = way.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            way.close()

    def metric(self, name):
        _, _, text = self.ask("GET", "/metrics", address=self.management)
        return float(re.search(rf"^{name} (\S+)$", text.decode(), re.MULTILINE).group(1))

    def sees_the_database(self):
        """Waits until what postern remembers is proven to be younger than this call: the ORM's changes, committed before it, hold."""
        begun = time.monotonic()
        while True:
            asked = time.monotonic()
            age = self.metric("postern_cache_proof_age_seconds")
            # The age is in whole milliseconds, and negative where there is no proof.
            if age >= 0 and asked - age - 0.002 > begun:
                return
            time.sleep(0.005)

    def has_sent_its_letters(self):
        while self.metric("postern_mails_waiting"):
            time.sleep(0.005)


class Bridge:
    """The posterns of this run, and what goes over to them."""

    def __init__(self):
        self.posterns = {}
        # Requests of the test that runs, and those that count Django's statements.
        self.asked = self.counted = 0
        self.all = 0

    def start(self):
        self.letters = Letters(("127.0.0.1", 0), Letters.Conversation)
        threading.Thread(target=self.letters.serve_forever, daemon=True).start()
        self.usual = self.said()
        self.postern()

    def said(self):
        """What tests set in Python's memory and postern has in its configuration."""
        from openwisp_users import settings as of_users
        from openwisp_users.api.throttling import AuthRateThrottle

        return (AuthRateThrottle.rate or "none", of_users.USER_PASSWORD_EXPIRATION, of_users.STAFF_USER_PASSWORD_EXPIRATION)

    def postern(self):
        said = self.said()
        if said not in self.posterns:
            throttle, expire_after, expire_after_staff = said
            self.posterns[said] = Postern(
                mail=self.letters.server_address[1], throttle=throttle, expire_after=expire_after, expire_after_staff=expire_after_staff
            )
        return self.posterns[said]

    def end_of_a_test(self):
        """Limits are counted in the memory of a postern, as Django's are in its cache, which the tests clear."""
        for said in [said for said in self.posterns if said != self.usual]:
            self.posterns.pop(said).stop()

    def stop(self):
        for postern in self.posterns.values():
            postern.stop()
        self.letters.shutdown()

    def request(self, browser, **environ):
        if not environ.get("PATH_INFO", "").startswith(PREFIXES):
            return original(browser, **environ)
        environ = browser._base_environ(**environ)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if environ.get("CONTENT_LENGTH") else b""
        # The client is a browser with a page of this site, which Django's tests let off showing it.
        headers = {"Host": environ["SERVER_NAME"], "Sec-Fetch-Site": "same-origin"}
        for name, value in environ.items():
            if name.startswith("HTTP_") and value:
                headers[name[5:].replace("_", "-").title()] = value
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        query = environ.get("QUERY_STRING")
        target = environ["PATH_INFO"] + (f"?{query}" if query else "")
        postern = self.postern()
        postern.sees_the_database()
        answer = postern.ask(environ["REQUEST_METHOD"], target, body or None, headers)
        postern.has_sent_its_letters()
        self.asked += 1
        self.all += 1
        return self.response(browser, environ, *answer)

    def response(self, browser, environ, status, headers, body):
        made = HttpResponse(body, status=status)
        for name, value in headers:
            if name.lower() == "set-cookie":
                made.cookies.load(value)
            elif name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                made.headers[name] = value
        made.client, made.request, made.templates, made.context = browser, environ, [], None
        if made.cookies:
            browser.cookies.update(made.cookies)
        if "Location" in made.headers:
            made.url = made.headers["Location"]
        if "json" in made.headers.get("Content-Type", ""):
            made.json = lambda: json.loads(body)
            made.data = of_python(json.loads(body))
        elif not body:
            made.data = None
        return made


class Text(str):
    """JSON has no UUIDs, and Python's serializers tell of objects: a text that is one is equal to it."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return str.__eq__(self, str(other) if isinstance(other, UUID) else other)

    def __ne__(self, other):
        return not self == other


def of_python(value):
    if isinstance(value, dict):
        return {key: of_python(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [of_python(inner) for inner in value]
    return Text(value) if isinstance(value, str) else value


def no_count(test, number, function=None, *args, **kwargs):
    """Django makes no statements where postern answers."""
    bridge.counted += 1
    return function(*args, **kwargs) if function else contextlib.nullcontext()


class Pristine:
    """What the migrations have made: the tables and sequences of the database, put back after each test, under postern's triggers."""

    def keep(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
            self.tables = [name for (name,) in cursor.fetchall()]
            cursor.execute("SELECT quote_ident(sequencename), last_value FROM pg_sequences WHERE schemaname = 'public'")
            self.sequences = cursor.fetchall()
            cursor.execute("CREATE SCHEMA pristine")
            for table in self.tables:
                cursor.execute(f"CREATE TABLE pristine.{table} AS TABLE public.{table}")

    def put_back(self):
        tables = ", ".join(f"public.{table}" for table in self.tables)
        # In one transaction: foreign keys of Django's are looked at when it ends.
        lines = ["BEGIN", f"TRUNCATE {tables} RESTART IDENTITY"]
        lines += [f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE pristine.{table}" for table in self.tables]
        lines += [f"SELECT setval('public.{name}', {value})" for name, value in self.sequences if value is not None]
        # Slugs are never used again, and each test begins with an installation that has had none yet.
        lines += ["TRUNCATE postern.slugs", "INSERT INTO postern.slugs SELECT slug, id FROM public.openwisp_users_organization"]
        with connection.cursor() as cursor:
            cursor.execute("; ".join([*lines, "COMMIT"]))


# Of what is listed, what fails. `silent` is a test that asks nothing, `counts` the number of times that statements are counted.
FAIL = ("inside", "look")
verdicts = Counter()
bridge = Bridge()
pristine = Pristine()
original = client.Client.request


def listed():
    """Lines of `KIND NAME: why`."""
    lines = {}
    with open(LISTED) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                said, _, why = line.partition(": ")
                kind, name = said.split(" ")
                assert why.strip(), line
                lines[name] = kind
    return lines


class Result(unittest.TextTestResult):
    """What becomes of a test is compared to what is listed of it."""

    listed = listed()

    def startTest(self, test):
        super().startTest(test)
        bridge.asked, self.failed = 0, []

    def keep(self, add, test, *error):
        self.failed.append((add, test, *error))

    def addError(self, test, error):
        self.keep(super().addError, test, error)

    def addFailure(self, test, error):
        self.keep(super().addFailure, test, error)

    def addSubTest(self, test, subtest, error):
        if error:
            self.keep(super().addSubTest, test, subtest, error)

    def wrong(self, test, what):
        try:
            raise AssertionError(what)
        except AssertionError:
            super().addFailure(test, sys.exc_info())

    def stopTest(self, test):
        kind = self.listed.pop(name_of(test), None)
        if kind not in FAIL:
            for add, *failure in self.failed:
                add(*failure)
        elif not self.failed:
            self.wrong(test, "it passes, and is listed as one that fails")
        if not self.failed and kind != "silent" and not bridge.asked:
            self.wrong(test, "it asks postern nothing, and is not listed as one that does not")
        if kind == "silent" and bridge.asked:
            self.wrong(test, "it asks postern something, and is listed as one that does not")
        verdicts[kind or ("fails" if self.failed else "passes")] += 1
        bridge.end_of_a_test()
        super().stopTest(test)




def name_of(test):
    return test.id().removeprefix("openwisp_users.tests.test_api.")


class Runner(DiscoverRunner):
    def get_resultclass(self):
        return Result

    def setup_databases(self, **options):
        made = super().setup_databases(**options)
        pristine.keep()
        bridge.start()
        return made

    def teardown_databases(self, old, **options):
        bridge.stop()
        super().teardown_databases(old, **options)

    def build_suite(self, *args, **options):
        # Another connection sees nothing of a transaction that is rolled back.
        django.test.TestCase = django.test.testcases.TestCase = django.test.TransactionTestCase
        django.test.TransactionTestCase._fixture_teardown = lambda test: pristine.put_back()
        django.test.TransactionTestCase.assertNumQueries = no_count
        import_module("openwisp_utils.tests").AssertNumQueriesSubTestMixin.assertNumQueries = no_count
        client.Client.request = lambda browser, **environ: bridge.request(browser, **environ)
        return super().build_suite(*args, **options)

    def run_suite(self, suite, **options):
        self.begun, self.whole = time.monotonic(), bool(os.environ.get("BRIDGE_WHOLE"))
        return super().run_suite(suite, **options)

    def suite_result(self, suite, result, **options):
        print(
            f"{verdicts['passes']} tests pass on postern's answers to {bridge.all} requests, {verdicts['fails']} fail; as listed, {verdicts['inside']} look "
            f"inside Python, {verdicts['look']} at a page of postern's own and {verdicts['silent']} ask nothing; {bridge.counted} counts of statements are "
            f"left out; {time.monotonic() - self.begun:.0f} s"
        )
        left = Result.listed
        counts = [name for name, kind in left.items() if kind == "counts"]
        wrong = sorted(name for name, kind in left.items() if kind != "counts") if self.whole else []
        if self.whole and counts != [str(bridge.counted)]:
            wrong.append(f"{bridge.counted} counts of statements, {counts} listed")
        if wrong:
            print("listed, and not there:", *wrong, sep="\n  ")
        return super().suite_result(suite, result, **options) + len(wrong)


sys.stdout.reconfigure(line_buffering=True)
