"""Plays seeded cases against postern and compares each verdict with the judge's.

    run.py POSTERN --cases 10000 --live 2000 --seed 1 [--keep DIR]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bodies
import generate
import judge

PER_POLICY = 250


def expected(verdict):
    status, detail = verdict
    return "allow" if status == "allow" else f"{status} {detail}"


def given(world, lookups):
    users = {}
    for name, user in world["users"].items():
        made = dict(user["levels"])
        for flag in ("superuser", "staff"):
            if user[flag]:
                made[flag] = True
        if not user["active"]:
            made["active"] = False
        if user["email"]:
            made["email"] = user["email"]
        if user["permissions"]:
            made["permissions"] = user["permissions"]
        if user["super_roles"]:
            made["super_roles"] = user["super_roles"]
        if user["home"]:
            made["organization"] = user["home"]
        if user["token"]:
            made["token"] = {key: value for key, value in user["token"].items() if value}
        if user["roles"]:
            made["roles"] = user["roles"]
        users[name] = made
    organizations = {}
    for slug, org in world["organizations"].items():
        organizations[slug] = {"active": org["active"]}
        if org["external_id"]:
            organizations[slug]["external_id"] = org["external_id"]
    made = {"organizations": organizations, "users": users}
    if lookups:
        made["lookups"] = {name: world["objects"] for name in lookups}
    return made


def fixed_id(name):
    """The id that `postern test` gives a name: learned from it, see main."""
    return IDS[name]


IDS = {}


def learn_ids(postern, folder, names):
    """`<name>` is a fixed UUIDv5 of the name (docs/policy-tools.md); which, `postern test` is asked."""
    with open(f"{folder}/ids.yaml", "w") as out:
        json.dump({"version": 1, "routes": {"/x": {"level": "authenticated", "inject": {"X-Id": "user.id"}}}}, out)
    for name in names:
        tests = {"given": {"organizations": {}, "users": {name: {}}}, "tests": [{"as": name, "GET": "/x", "expect": "allow", "inject": {"X-Id": "?"}}]}
        with open(f"{folder}/ids_test.yaml", "w") as out:
            json.dump(tests, out)
        ran = subprocess.run([postern, "test", "--json", "--policy", f"{folder}/ids.yaml", f"{folder}/ids_test.yaml"], capture_output=True, text=True).stdout
        found = next(word for word in ran.replace('"', " ").replace(",", " ").split() if len(word) == 36 and word.count("-") == 4)
        IDS[name] = str(uuid.UUID(found))


def case_of(request, verdict):
    case = {"as": request["as"], request["method"]: request["target"], "expect": expected(verdict)}
    headers = {"Host": request["host"]}
    for name, value in request["headers"]:
        headers.setdefault(name, [])
        headers[name].append(value)
    if request["as"] == "stranger":
        case["as"] = "anonymous"
        headers["Authorization"] = "Bearer nobody-has-this"
    case["headers"] = headers
    if request["body"] and request["body"][0] == "json":
        case["body"] = request["body"][1]
    elif request["body"]:
        case["body"], headers["Content-Type"] = bodies.written(request["body"])
    if request["answer"] is not None:
        case["upstream"] = request["answer"]
    if request["client"]:
        case["client"] = request["client"]
    if verdict[0] == "allow":
        sent = {name: value for name, value in verdict[1]["inject"].items() if value is not None}
        if sent:
            case["inject"] = sent
        if isinstance(verdict[1].get("answer"), (dict, list)):
            case["expect"] = verdict[1]["answer"]
        if verdict[1]["target"]:
            case["forwarded"] = {"target": verdict[1]["target"], "upstream": verdict[1]["upstream"]}
    return case


def count(tally, request, verdict):
    word = expected(verdict)
    if verdict[0] == "allow" and "answer" in verdict[1]:
        word += ", a list" if verdict[1]["answer"] == request["answer"] else ", a part of a list"
    tally[word] = tally.get(word, 0) + 1


def told(tally):
    return json.dumps(dict(sorted(tally.items(), key=lambda e: -e[1])))


def live_difference(request, verdict, answer):
    """What is other than the judge says, in words; None where all is as it says."""
    status, headers, body = answer
    if verdict[0] != "allow":
        if status != verdict[0]:
            return f"status {status} {body[:200]}"
        # `foreign: 404` is told like a missing route.
        code = "no_route" if verdict in ((404, "org_foreign"), (404, "lookup_not_found")) else verdict[1]
        if request["method"] != "HEAD" and json.loads(body)["code"] != code:
            return f"code {json.loads(body)['code']}"
        return None
    if verdict[1]["target"] is None and status == 200 and "x-saw" not in headers:
        # Nothing could be the caller's: nobody was asked.
        return None if request["method"] == "HEAD" or json.loads(body) == verdict[1]["answer"] else f"answered {body}"
    if status != 200 or "x-saw" not in headers:
        return f"status {status} {body[:200]}"
    saw = json.loads(headers["x-saw"])
    details = verdict[1]
    if "answer" in details and json.loads(body) != details["answer"]:
        return f"answered {body}"
    if saw["target"] != details["target"]:
        return f"forwarded {saw['target']}"
    if saw["upstream"] != details["upstream"]:
        return f"forwarded to {saw['upstream']}"
    sent = {}
    for name, value in saw["headers"]:
        sent.setdefault(judge.folded(name), []).append(value)
    for name, value in details["inject"].items():
        if sent.get(judge.folded(name), []) != ([] if value is None else [value]):
            return f"{name}: {sent.get(judge.folded(name))}, not {value}"
    return None


def play_live(options, folder):
    """Policies of other seeds over one world in a real store, through `postern serve`."""
    import asyncio
    import live

    rng = random.Random(options.seed)
    world = generate.world(rng, lambda name: str(uuid.uuid5(uuid.NAMESPACE_URL, name)))
    known = {name: {"organization": slug and world["organizations"][slug]["id"], "slug": slug} for name, slug in world["objects"].items()}
    upstreams = live.Upstreams(["app", "docs"], known)
    directory = live.Directory(options.postern, folder, world)
    played = disagreed = seed = 0
    tally = {}
    while played < options.live:
        rng = random.Random(f"live {options.seed} {seed}")
        seed += 1
        files = generate.files(rng, over_http=True)
        if not files:
            continue
        paths = write_policy(folder, f"live-{seed}", files)
        if subprocess.run([options.postern, "check", *paths], capture_output=True).returncode != 0:
            continue
        policy = judge.Policy(files)
        server = live.Server(options.postern, folder, paths, upstreams, directory.url)

        async def play():
            nonlocal played, disagreed
            for _ in range(PER_POLICY):
                request = {**generate.request(rng, files, world), "client": "127.0.0.1"}
                token = {"anonymous": None, "stranger": "nobody-has-this"}.get(request["as"], directory.tokens.get(request["as"]))
                verdict = judge.judge(policy, world, request)
                upstreams.answer = request["answer"]
                difference = live_difference(request, verdict, await server.ask(request, token))
                played += 1
                count(tally, request, verdict)
                if difference:
                    disagreed += 1
                    if disagreed <= 40:
                        print(f"live {paths}: {json.dumps(request)}\n   judge: {expected(verdict)} {verdict[1]}\n   postern: {difference}")

        try:
            asyncio.run(play())
        finally:
            server.stop()
    print(told(tally))
    print(f"live: {played} cases, {disagreed} disagreements")
    return disagreed


def write_policy(folder, name, files):
    paths = []
    for at, file in enumerate(files):
        paths.append(f"{folder}/{name}-{at}.yaml")
        with open(paths[-1], "w") as out:
            out.write(generate.printable(file))
    return paths


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("postern")
    arguments.add_argument("--cases", type=int, default=10000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--live", type=int, default=0)
    arguments.add_argument("--keep")
    arguments.add_argument("--narrowed", action="store_true", help="every token is narrowed")
    options = arguments.parse_args()
    folder = options.keep or tempfile.mkdtemp(prefix="judge-")
    os.makedirs(folder, exist_ok=True)
    learn_ids(options.postern, folder, generate.ORGS + [f"user{n}" for n in range(5)])
    played = disagreed = refused_policies = 0
    tally = {}
    seed = options.seed
    while played < options.cases:
        rng = random.Random(seed)
        seed += 1
        files = generate.files(rng)
        if not files:
            continue
        world = generate.world(rng, fixed_id, options.narrowed)
        policy = judge.Policy(files)
        paths = write_policy(folder, seed - 1, files)
        requests = [generate.request(rng, files, world) for _ in range(PER_POLICY)]
        verdicts = [judge.judge(policy, world, request) for request in requests]
        with open(f"{folder}/{seed - 1}_test.yaml", "w") as out:
            json.dump({"given": given(world, policy.lookups), "tests": [case_of(r, v) for r, v in zip(requests, verdicts)]}, out, ensure_ascii=False)
        command = [options.postern, "test", "--json"] + [w for p in paths for w in ("--policy", p)] + [f"{folder}/{seed - 1}_test.yaml"]
        ran = subprocess.run(command, capture_output=True, text=True)
        try:
            answer = json.loads(ran.stdout)
            cases = answer["files"][0]["cases"]
        except (ValueError, IndexError, KeyError):
            answer, cases = {"findings": ran.stderr[:2000]}, []
        if len(cases) != len(requests):
            refused_policies += 1
            refused = [line for line in ran.stderr.splitlines() if "error[" in line]
            print(f"seed {seed - 1}: not run: {refused[:4]}")
            continue
        played += len(cases)
        for request, verdict, case in zip(requests, verdicts, cases):
            count(tally, request, verdict)
            if not case["ok"]:
                disagreed += 1
                if disagreed <= 40:
                    print(f"seed {seed - 1}: {json.dumps(request)}\n   judge: {case.get('expected')}\n   postern: {case.get('got')} {case.get('route')} {case.get('why')}")
    print(told(tally))
    print(f"{played} cases, {disagreed} disagreements, {refused_policies} policies not taken")
    if options.live:
        disagreed += play_live(options, os.path.abspath(folder))
    sys.exit(1 if disagreed else 0)


main()
