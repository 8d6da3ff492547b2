"""How long pages of the admin UI take over so many people: each asked for one after the other by a superuser who has logged in."""
import http.cookiejar
import re
import subprocess
import urllib.parse
import urllib.request

from client import spread  # noqa: E402
from people import uid

PASSWORD = "correct horse of the bench"


class Visitor:
    """A browser, as far as logging in needs one."""

    def __init__(self, port):
        self.base = "http://127.0.0.1:%d" % port
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        return self.opener.open(urllib.request.Request(self.base + path, data, {"Accept": "text/html"})).read().decode()

    def log_in(self, name):
        page = self.get("/api/v1/users/login/")
        token = re.search(r'name="csrf" value="([^"]+)', page)[1]
        self.get("/api/v1/users/login/", {"csrf": token, "username": name, "password": PASSWORD, "next": "/postern/"})

    def head(self, path):
        cookies = "; ".join("%s=%s" % (cookie.name, cookie.value) for cookie in self.jar)
        return ("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nCookie: %s\r\n\r\n" % (path, cookies)).encode()


def pages(users, organizations):
    """Name and addresses of each kind of page."""
    some = range(0, users // 2, max(1, users // 400))
    user, organization = (lambda n: "/postern/user/%s/" % uid(1, n)), (lambda n: "/postern/organization/%s/" % uid(2, n % organizations))
    return [
        ("home, with its dashboards", ["/postern/"]),
        ("people", ["/postern/user/"]),
        ("100 people in order of their names", ["/postern/user/?ordering=username&page_size=100"]),
        ("a search for one person", ["/postern/user/?search=user-%d" % n for n in some]),
        ("people, filtered to the inactive", ["/postern/user/?is_active=false"]),
        ("a person", [user(n) for n in some]),
        ("a person's memberships", [user(n) + "membership/" for n in some]),
        ("a person's history", [user(n) + "history/" for n in some]),
        ("a person of thousands of organizations", [user(users // 2)]),
        ("organizations", ["/postern/organization/"]),
        ("an organization", [organization(n) for n in some]),
        ("an organization's members", [organization(n) + "member/" for n in some]),
        ("a form for a new membership", [user(n) + "membership/?_form=create" for n in some]),
        ("explain", ["/postern/policy/explain/"]),
        ("matrix", ["/postern/policy/matrix/"]),
        ("operations", ["/postern/operations/"]),
    ]


def measure(binary, server, store, client, users, organizations, count=300):
    command = [binary, "--database", store.url(), "user", "password", "user-0", "--password-stdin"]
    subprocess.run(command, input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    visitor, found = Visitor(server.port), []
    visitor.log_in("user-0")
    for name, paths in pages(users, organizations):
        heads = [visitor.head(path) for path in paths]
        size = 0
        for turn, head in enumerate((heads * count)[:count + 20]):
            if turn == 20:
                times, spent = [], (server.cpu_us(), store.cpu_us())
            status, body, took = client.exchange(head)
            if status != 200:
                raise SystemExit("%d for %s: %s" % (status, paths[turn % len(paths)], body[:300].decode()))
            size = max(size, len(body))
            if turn >= 20:
                times.append(took)
        costs = {"cpu_us": (server.cpu_us() - spent[0]) / count, "database_us": (store.cpu_us() - spent[1]) / count}
        found.append({"name": name, "bytes": size, **costs, **spread(times)})
    return found
