"""compare.py GUARDED GATE [--sample N] [--seed S] [--only TEXT] [--list]: each request to OpenWISP as it is (a port), and to one without any
authorization behind postern (a port). Status and JSON must be the same, or a row of `differences.txt` says why not. Exit 1 where something is
not explained, or where, of all requests, a row explains nothing.
"""
import argparse
import collections
import http.client
import json
import random
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from asked import KNOWN, all_requests
from explained import ROWS, Answer, explanation
from people import token_of

IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BY_CHANCE = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\\?n?"), "PEM"),
    (re.compile(r"http://[^/\"]+"), "http://HOST"),
]
# What stands around a list tells of what has been kept back, so that the gate drops it.
AROUND = ("count", "next", "previous")
# New ones are made by chance, or count up.
SECRETS = ("key", "certificate", "private_key", "serial_number", "radius_user_token", "csrf_token")
# What knows Django's session alone.
PAGES = re.compile(r"/api/v1/(docs|redoc|radius/organization/[^/]+/batch/.*csv|notifications/user/[^/]+/organization/)|/(?!api/)")


def settled(value):
    """A document without what is by chance: ids that are new, times, keys."""
    if isinstance(value, dict):
        return {key: "SECRET" if key in SECRETS and inner else settled(inner) for key, inner in value.items() if key not in AROUND}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    if isinstance(value, str):
        for pattern, name in BY_CHANCE:
            value = pattern.sub(name, value)
        value = IDS.sub(lambda found: found[0] if found[0] in KNOWN else "ID", value)
    return value


def ask(port, request):
    way = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Host": "openwisp.example.com", "Sec-Fetch-Site": "same-origin"}
    if request.who != "anonymous":
        # Programs show a token, and browsers the session of Django's admin.
        if PAGES.match(request.target):
            headers["Cookie"] = f"sessionid={token_of(request.who)[:32]}; csrftoken={'t' * 32}"
            headers["X-CSRFToken"] = "t" * 32
        else:
            headers["Authorization"] = f"Bearer {token_of(request.who)}"
    body = None
    if request.body is not None:
        body, headers["Content-Type"] = json.dumps(request.body), "application/json"
    way.request(request.method, request.target, body, headers)
    answer = way.getresponse()
    text = answer.read()
    way.close()
    kind = answer.headers.get_content_type()
    document = None
    if answer.status < 300 and kind == "application/json" and text:
        document = settled(json.loads(text))
    code = json.loads(text).get("code") if kind == "application/problem+json" else None
    return Answer(answer.status, document, code)


def is_same(guarded, gate):
    return guarded.status == gate.status and guarded.document == gate.document


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("guarded", type=int)
    arguments.add_argument("gate", type=int)
    arguments.add_argument("--sample", type=int)
    arguments.add_argument("--seed", default="1")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--list", help="a file for what differs, as JSON")
    options = arguments.parse_args()
    begun = time.monotonic()
    wanted = [request for request in all_requests() if re.search(options.only, f"{request.method} {request.pattern}")]
    if options.sample:
        wanted = random.Random(options.seed).sample(wanted, options.sample)
    explained, unexplained, again = collections.Counter(), [], []
    documents = same = 0

    def both(request):
        return request, ask(options.guarded, request), ask(options.gate, request)

    def judge(request, guarded, gate):
        nonlocal documents, same
        documents += guarded.document is not None and gate.document is not None
        if is_same(guarded, gate):
            same += 1
        elif row := explanation(request, guarded, gate):
            explained[ROWS.index(row)] += 1
        else:
            unexplained.append((request, guarded, gate))

    with ThreadPoolExecutor(4) as pool:
        for request, guarded, gate in pool.map(both, wanted):
            if 500 in (guarded.status, gate.status):
                again.append(request)
            else:
                judge(request, guarded, gate)
    # Some errors come of requests at the same time.
    for request in again:
        judge(*both(request))
    groups = collections.defaultdict(list)
    for request, guarded, gate in unexplained:
        groups[request.method, request.pattern, guarded.status, gate.status, gate.code].append(f"{request.who}/{request.owner}")
    for (method, pattern, *statuses), who in sorted(groups.items(), key=str):
        print(f"{method} {pattern}: {statuses[0]}, behind the gate {statuses[1]} {statuses[2] or ''}: {len(who)}: {' '.join(sorted(set(who)))[:200]}")
    for number, row in enumerate(ROWS):
        print(f"{explained[number]:6}  {row.before.pattern} -> {row.after.pattern}  {row.request.pattern}: {row.why}")
    idle = 0 if options.sample or options.only else sum(not explained[number] for number in range(len(ROWS)))
    if idle:
        print(f"{idle} rows explain nothing")
    if options.list:
        with open(options.list, "w") as file:
            json.dump([[*request, *guarded, *gate] for request, guarded, gate in unexplained], file)
    print(
        f"{len(wanted)} requests, {same} answered alike ({documents} JSON documents compared), {sum(explained.values())} differences explained, "
        f"{len(unexplained)} not; {time.monotonic() - begun:.0f} s"
    )
    sys.exit(1 if unexplained or idle else 0)


if __name__ == "__main__":
    main()
