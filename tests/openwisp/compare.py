"""compare.py GUARDED GATE [--sample N] [--seed S] [--only TEXT]: each request to a service with its own authorization (a port), and to one that
has none, behind a gate (a port). Who passes, what they get and what it does must be the same. Differences are told; exit 1 where one is not
among those that are explained, or where an explanation explains nothing any more.
"""
import argparse
import collections
import http.client
import itertools
import json
import random
import re
import sys

from explained import EXPLAINED
from people import ORGANIZATIONS, PEOPLE, id_of, token_of

OWNERS = [*ORGANIZATIONS, "shared", "missing"]
# The second number of each subnet's addresses.
NETWORKS = {name: number for number, name in enumerate(["shared", *ORGANIZATIONS], start=1)}
LIBRARY, IPAM = "/api/v1/library/", "/api/v1/ipam/"

Request = collections.namedtuple("Request", "who method target body owner")
Answer = collections.namedtuple("Answer", "status body effect by_gate", defaults=[False])


def bodies(kind):
    """The bodies that make or change an object: JSON, by what they try."""
    organizations = [(f"to {slug}", {"organization": id_of(slug)}) for slug in ["acme", "bolt"]]
    organizations += [("to all", {"organization": None}), ("to nowhere", {"organization": id_of("nowhere")})]
    yield "name", {"name": "new"}
    if kind in ("branch", "shelf"):
        for _, of in organizations:
            yield "organization", {"name": "new", **of}
    if kind == "shelf":
        for of, template in itertools.product(["acme"], ["acme", "bolt", "shared", "missing"]):
            yield "template", {"name": "new", "organization": id_of(of), "template": id_of(f"template of {template}")}
    if kind == "subnet":
        for _, of in organizations:
            yield "organization", {"name": "new", "subnet": "10.200.0.0/24", **of}
    if kind == "address":
        for of in ["acme", "bolt", "shared", "missing"]:
            yield "subnet", {"ip_address": f"10.{NETWORKS.get(of, 1)}.0.9", "subnet": id_of(f"subnet of {of}")}
    if kind == "book":
        for of in ["acme", "bolt", "missing"]:
            yield "branch", {"name": "new", "branch": id_of(f"branch of {of}")}


def details(path, kind):
    """Everything that can be tried on an object."""
    for owner in OWNERS:
        target = f"{path}{id_of(f'{kind} of {owner}')}/"
        for method in ["GET", "HEAD", "DELETE"]:
            yield method, target, None, owner
        for method in ["PUT", "PATCH"]:
            for _, body in bodies(kind):
                yield method, target, body, owner


def made(path, kind, owner="none"):
    for _, body in bodies(kind):
        yield "POST", path, body, owner


def library():
    for level in ["member", "manager", "owner"]:
        yield from details(f"{LIBRARY}{level}/branch/", "branch")
        yield from details(f"{LIBRARY}{level}/shelf/", "shelf")
        yield "GET", f"{LIBRARY}{level}s/shelf/", None, "list"
        yield "GET", f"{LIBRARY}{level}s/book/", None, "list"
        yield from details(f"{LIBRARY}{level}s/shelf/", "shelf")
        yield from made(f"{LIBRARY}{level}s/choose/", "shelf")
        yield from made(f"{LIBRARY}{level}s/choose-shared/", "shelf")
        for owner in OWNERS:
            books = f"{LIBRARY}{level}s/branch/{id_of(f'branch of {owner}')}/book/"
            yield "GET", books, None, owner
            yield from made(books, "book", owner)
    yield from details(f"{LIBRARY}manager/book/", "book")
    yield from details(f"{LIBRARY}model/shelf/", "shelf")
    yield from details(f"{LIBRARY}protected/shelf/", "shelf")
    yield "GET", f"{LIBRARY}protected/shelf/", None, "list"
    yield from made(f"{LIBRARY}protected/shelf/", "shelf")


    for asked in ["", "organization=", *[f"organization={id_of(slug)}" for slug in ["acme", "bolt"]], "organization=x"]:
        for level in ["member", "manager", "owner"]:
            yield "GET", f"{LIBRARY}{level}s/filtered/?{asked}", None, "filter"
    for asked in ["organization_slug=acme", "organization_slug=bolt", "organization_slug=none", "organization_slug="]:
        yield "GET", f"{LIBRARY}managers/filtered/?{asked}", None, "filter"
    for parameter, name in [("tags", "tag"), ("template", "template")]:
        for of in ["acme", "bolt", "shared", "missing"]:
            yield "GET", f"{LIBRARY}managers/filtered/?{parameter}={id_of(f'{name} of {of}')}", None, "filter"


def ipam():
    yield "GET", f"{IPAM}subnet/", None, "list"
    yield from made(f"{IPAM}subnet/", "subnet")
    yield from details(f"{IPAM}subnet/", "subnet")
    yield from details(f"{IPAM}ip-address/", "address")
    for owner in OWNERS:
        of = f"{IPAM}subnet/{id_of(f'subnet of {owner}')}"
        for method, last in [("GET", "get-next-available-ip"), ("POST", "request-ip"), ("POST", "export"), ("GET", "hosts"), ("GET", "allocation")]:
            yield method, f"{of}/{last}/", {} if method == "POST" else None, owner
        yield "GET", f"{of}/ip-address/", None, owner
        yield from made(f"{of}/ip-address/", "address", owner)


def all_requests():
    for who in [*PEOPLE, "anonymous"]:
        for method, target, body, owner in itertools.chain(library(), ipam()):
            yield Request(who, method, target, body, owner)


IDS = {id_of(f"{kind} of {owner}") for kind in ["branch", "shelf", "book", "template", "tag", "subnet", "address"] for owner in OWNERS}
IDS |= {id_of(name) for name in [*ORGANIZATIONS, *PEOPLE]}


def settled(text):
    """A body without what is by chance: ids that are new, times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda found: found[0] if found[0] in IDS else "ID", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", "TIME", text)


def ask(port, request):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {} if request.who == "anonymous" else {"Authorization": f"Bearer {token_of(request.who)}"}
    body = None
    if request.body is not None:
        body, headers["Content-Type"] = json.dumps(request.body), "application/json"
    connection.request(request.method, request.target, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    passed = answer.status < 300
    if passed and answer.headers.get_content_type() == "application/json" and text:
        found = json.loads(text)
        # What stands around a list tells of what has been kept back, so that the gate drops it.
        text = json.dumps(found["results"] if isinstance(found, dict) and "results" in found else found, sort_keys=True)
    if not passed:
        return Answer(answer.status, "", "", answer.headers.get_content_type() == "application/problem+json")
    return Answer(answer.status, settled(text), answer.headers.get("X-Effect", ""))


def foreign(request, answer):
    """Whether an answer tells somebody of an organization that they do not belong to and have not named."""
    memberships, rights = PEOPLE.get(request.who, ({}, ""))
    others = set() if rights == "superuser" else set(ORGANIZATIONS) - set(memberships)
    sent = json.dumps(request.body)
    return any(name in answer.body and name not in sent for slug in others for name in [f"of {slug}", id_of(slug)])


def explanation(request, guarded, gate):
    for name, holds in EXPLAINED.items():
        if holds(request, guarded, gate):
            return name
    return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("guarded", type=int)
    arguments.add_argument("gate", type=int)
    arguments.add_argument("--sample", type=int)
    arguments.add_argument("--seed", default="1")
    arguments.add_argument("--only", default="")
    options = arguments.parse_args()
    wanted = [request for request in all_requests() if options.only in request.target]
    if options.sample:
        wanted = random.Random(options.seed).sample(wanted, options.sample)
    explained, unexplained = collections.Counter(), collections.Counter()
    for request in wanted:
        guarded, gate = ask(options.guarded, request), ask(options.gate, request)
        if guarded[:3] == gate[:3]:
            continue
        # Nothing explains that somebody is told of what is not theirs.
        name = None if foreign(request, gate) else explanation(request, guarded, gate)
        if name:
            explained[name] += 1
            continue
        pattern = re.sub(r"[0-9a-f-]{36}", "{id}", request.target)
        unexplained[pattern, request.method, request.owner, guarded.status, gate.status] += 1
        if sum(unexplained.values()) <= 400:
            print(f"{request.who} {request.method} {pattern} of {request.owner} {request.body}: {guarded.status}, behind the gate {gate.status}")
            if guarded.status == gate.status:
                print(f"    {guarded.body} {guarded.effect}\n    {gate.body} {gate.effect}")
    for name, count in explained.items():
        print(f"{count:6}  {name}")
    idle = set(EXPLAINED) - set(explained) if not options.sample and not options.only else set()
    for name in idle:
        print(f"nothing is explained by: {name}")
    print(f"{len(wanted)} requests, {sum(explained.values())} differences explained, {sum(unexplained.values())} not")
    sys.exit(1 if unexplained or idle else 0)


if __name__ == "__main__":
    main()
