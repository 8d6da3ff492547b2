"""Worlds, policies and requests from a seed. A policy is made to be valid: what the language refuses at load is another test's."""

import json
import re

import conditions
import patterns

ORGS = ["acme", "bolt", "cove", "dune"]
LEVELS = ["member", "manager", "owner"]
PERMISSIONS = ["app.view_thing", "app.add_thing", "app.change_thing", "app.delete_thing", "ops.reboot"]
ODD = ["a%2Fb", "..", ".", "%2e%2e", "a;b", "a%5Cb", "a\\b", "%00", "%252e", "a%", "a%zz", "", "a%25b", "%C3%A9", "%ff", "a%3Bx", "%41cme"]
UNKNOWN_ID = "00000000-0000-4000-8000-000000000001"
# What lookups are asked for: what variables of paths are, and names of objects.
ARGUMENTS = ["0", "5", "17", "7", "a-b", "x_1", "q", "ab", UNKNOWN_ID, "t1", "t2", "t3", "t4", "t5", "t6"]
PLACES = ["organization", "organization", "/data/organization", "/*/organization", "/items/*/organization"]


def token(rng, narrowed):
    """What somebody's token is narrowed to, where it is."""
    if not narrowed and rng.random() < 0.5:
        return None
    some = lambda names, share: sorted(name for name in names if rng.random() < share) if rng.random() < 0.5 else []
    made = {"organizations": some(ORGS, 0.5), "permissions": some(PERMISSIONS, 0.6), "read_only": rng.random() < 0.3}
    if narrowed and not any(made.values()):
        made["read_only"] = True
    return made if any(made.values()) else None


def world(rng, ids, narrowed=False):
    organizations = {}
    for at, slug in enumerate(ORGS):
        organizations[slug] = {"id": ids(slug), "active": rng.random() < 0.8, "external_id": rng.choice([None, str(100 + at)])}
    owned = set()
    users = {}
    for at in range(5):
        name = f"user{at}"
        levels = {}
        for slug in ORGS:
            if rng.random() < 0.35:
                level = rng.choice(LEVELS)
                if level == "owner" and slug in owned:
                    level = "manager"
                if level == "owner":
                    owned.add(slug)
                levels[slug] = level
        users[name] = {
            "name": name, "id": ids(name), "active": rng.random() < 0.9, "superuser": at == 4 or rng.random() < 0.05,
            "staff": rng.random() < 0.3, "email": rng.choice([None, f"{name}@example.com"]),
            "external_id": None,
            "levels": levels,
            "permissions": sorted(p for p in PERMISSIONS if rng.random() < 0.15),
            "super_roles": sorted(p for p in PERMISSIONS if rng.random() < 0.15),
            "home": rng.choice(sorted(levels)) if levels and rng.random() < 0.5 else None,
            "roles": {slug: sorted(p for p in PERMISSIONS if rng.random() < 0.3) for slug in levels if rng.random() < 0.6},
        }
        users[name]["token"] = token(rng, narrowed)
        users[name]["roles"] = {slug: held for slug, held in users[name]["roles"].items() if held}
    # An organization with a manager has an owner: its first manager, where nobody was chosen.
    for slug in ORGS:
        managers = [user for user in users.values() if user["levels"].get(slug) in ("manager", "owner")]
        if managers and not any(user["levels"][slug] == "owner" for user in managers):
            managers[0]["levels"][slug] = "owner"
    # Some are nobody's, and some are not there.
    objects = {name: rng.choice(ORGS * 2 + [None]) for name in ARGUMENTS if rng.random() < 0.85}
    return {"organizations": organizations, "users": users, "objects": objects}


def segment(rng, depth, names):
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(["a", "b", "c", "api", "admin", "x-y", "é"])
    name = f"v{depth}"
    type_ = rng.choice(["", ":str", ":uuid", ":int", ":slug"])
    if "org" not in names and rng.random() < 0.5:
        name, type_ = "org", rng.choice(["", ":uuid", ":slug"])
    names.append(name)
    return "{" + name + type_ + "}"


def pattern(rng):
    names = []
    parts = [segment(rng, depth, names) for depth in range(rng.randint(1, 4))]
    end = rng.random()
    if end < 0.35:
        parts.append("**")
    elif end < 0.5:
        parts.append("")
    return "/" + "/".join(parts), names


def shape(text):
    """Two patterns of one shape, or whose types overlap in one place, would be a conflict: one trie node has one kind of variable."""
    return "/".join("{}" if part.startswith("{") else part for part in text.split("/"))


def source(rng, names, of_host, bodied=None):
    """A source. `bodied`: whether all methods of the rule bring bodies; None: no bodies and no lookups."""
    kinds = ["query.organization", "header.X-Org", "query.tenant"]
    if bodied is not None and rng.random() < 0.5:
        lookups = ["lookup.of_query", "lookup.of_header"] + [f"lookup.of_{name}" for name in names if name != "org"] * 3
        if bodied:
            lookups.append("lookup.of_body")
            if rng.random() < 0.6:
                return f"body.{rng.choice(PLACES)}" + rng.choice(["", " as slug"])
        # One statement gives one kind of key.
        text = rng.choice(lookups)
        return text if rng.random() < 0.7 else text.replace("lookup.of_", "lookup.slug_of_") + " as slug"
    if "org" in names:
        kinds += ["path.org"] * 6
    if of_host:
        kinds += [f"host.{of_host}"] * 3
    place = rng.choice(kinds)
    return place + rng.choice(["", " as slug", " as slug", " as external"])


def org(rng, names, of_host, bodied=None):
    def alternatives(bodied=bodied):
        first = source(rng, names, of_host, bodied)
        others = []
        if rng.random() < 0.25:
            # Behind a variable nothing else would ever count.
            others = [s for s in [source(rng, names, of_host, bodied)] if s != first and not s.startswith(("path", "host"))]
        if first.startswith(("path", "host")):
            others = []
        text = " or ".join([first] + others)
        if rng.random() < 0.1 and not first.startswith(("path", "host")):
            text += " or user.only"
        return text

    if rng.random() < 0.8:
        return alternatives()
    entries = [alternatives()]
    # What a lookup finds, or a body says, may be there already, or not be sent.
    if bodied is not None and rng.random() < 0.5:
        name = rng.choice(["query", "header"] + [name for name in names if name != "org"] * 3)
        entries = [f"lookup.of_{name}" + rng.choice(["", " optional"])]
        if rng.random() < 0.8:
            return entries + [f"body.{rng.choice(PLACES)}" + rng.choice(["", " as slug"]) + rng.choice(["", " optional"])]
    places = lambda text: {s.partition(" as ")[0] for s in text.split(" or ")}
    for _ in range(rng.choice([1, 1, 2])):
        # Beside another source a body may be missing.
        other = alternatives(bodied if bodied is None else True)
        if not any(places(other) & places(entry) for entry in entries):
            entries.append(other)
    if len(entries) == 1:
        return entries[0]
    if rng.random() < 0.5 and not entries[0].endswith(" optional"):
        entries[0] += " primary"
    return entries


def tree(rng, variables, levels, depth=0):
    pick = rng.random()
    if depth < 2 and pick < 0.35:
        return (rng.choice(["and", "or"]), tree(rng, variables, levels, depth + 1), tree(rng, variables, levels, depth + 1))
    if depth < 2 and pick < 0.45:
        return ("not", tree(rng, variables, levels, depth + 1))
    leaves = [
        ("eq", ("get", "request", "method"), ("lit", rng.choice(["GET", "POST"]))),
        ("starts", ("get", "request", "path"), rng.choice(["/a", "/api"])),
        ("eq", ("query", "dry"), ("lit", "yes")),
        ("ne", ("query", "dry"), ("lit", "yes")),
        ("has_query", "dry"),
        ("has_header", "x-event"),
        ("in", ("header", "x-event"), ["push", "tag"]),
        ("within", rng.choice([["10.0.0.0/8"], ["127.0.0.0/8", "2001:db8::/32"]])),
        ("eq", ("get", "client", "address"), ("lit", "10.1.2.3")),
    ]
    if levels:
        leaves += [
            ("get", "user", "is_staff"), ("get", "user", "is_superuser"),
            ("eq", ("get", "user", "username"), ("lit", "user1")),
            ("eq", ("get", "user", "login"), ("lit", rng.choice(["user1", "acme/user1", "bolt/user2"]))),
            ("ne", ("get", "user", "organization"), ("lit", "acme")),
            ("has", "user", "organization"),
            ("ne", ("get", "user", "email"), ("lit", "user1@example.com")),
            ("has", "user", "email"),
            ("contains", ("get", "user", "email"), "example"),
        ]
    if levels == "org":
        leaves += [
            ("eq", ("get", "org", "level"), ("lit", rng.choice(LEVELS))),
            ("ne", ("get", "org", "external_id"), ("lit", "101")),
            ("in", ("get", "org", "slug"), ["acme", "bolt"]),
            ("has", "org", "external_id"),
        ]
    for name, type_ in variables:
        if type_ == "int":
            leaves.append((rng.choice(["lt", "ge"]), ("var", name), ("lit", 5)))
        else:
            leaves.append(("ne", ("var", name), ("lit", "acme")))
    return rng.choice(leaves)


def rule(rng, text, names, of_host, public=True, bodied=None, reads=False):
    level = rng.choice(["authenticated", "optional", "staff", "superuser", "member", "member", "manager", "manager", "owner", "permitted", "permitted"]
                       + (["public", "deny"] if public else []))
    made = {"level": level}
    if level == "deny":
        return made
    if level not in ("public",):
        if level == "permitted" or rng.random() < 0.6:
            made["org"] = org(rng, names, of_host, bodied)
            # The service's answer says it, or agrees.
            if reads and rng.random() < 0.25:
                response = "response." + rng.choice(["organization", "/data/organization"]) + rng.choice(["", " as slug"])
                first = made["org"] if isinstance(made["org"], str) and "user.only" not in made["org"] else None
                made["org"] = [first, response] if first and rng.random() < 0.3 else response
            if bodied is not None and level in LEVELS + ["permitted", "superuser"] and says_null(made["org"]) and rng.random() < 0.3:
                shared = ["authenticated", "staff", "member", "manager", "owner", "superuser", "deny"]
                made["shared"] = {key: rng.choice(shared) for key in rng.choice([["read"], ["write"], ["read", "write"]])}
            if level in LEVELS + ["permitted"] and rng.random() < 0.2:
                made["foreign"] = rng.choice([403, 404])
        if level != "optional" and rng.random() < 0.15:
            made["permissions"] = rng.sample(PERMISSIONS, rng.randint(1, 2))
        if level != "optional" and rng.random() < 0.15:
            made["model"] = "app.thing"
        if level == "permitted" and "permissions" not in made:
            made["model"] = "app.thing"
        if ("permissions" in made or "model" in made) and rng.random() < 0.3:
            made["user_permissions"] = rng.choice(["off", "off", "on"])
        if rng.random() < 0.5:
            made["inject"] = {}
            for name, what in [("X-User", "user.username"), ("X-Login", "user.login"), ("X-Home", "user.organization"), ("X-Mail", "user.email"), ("X-Staff", "user.is_staff"),
                               ("X-Orgs", "orgs.manager")]:
                if rng.random() < 0.4:
                    made["inject"][name] = what
            if "org" in made and "response." not in str(made["org"]):
                made["inject"].update({"X-Org-Level": "org.level", "X-Org-Ext": "org.external_id"})
            if not made["inject"]:
                del made["inject"]
    if bodied and level not in ("public", "optional") and rng.random() < 0.5:
        made["fields"] = fields(rng)
        if level in LEVELS and rng.random() < 0.5:
            made["org"] = f"body.{rng.choice(PLACES)}" + rng.choice(["", " as slug"])
    if reads and level not in ("public", "optional") and "response." not in str(made.get("org")) and rng.random() < 0.7:
        made["list"] = listed(rng)
        if level in LEVELS and rng.random() < 0.6:
            for key in ("org", "shared", "foreign", "inject", "when"):
                made.pop(key, None)
    if rng.random() < 0.25:
        variables = [(what[0], what[1]) for kind, what in patterns.parse(text) if kind in (patterns.TYPED, patterns.UNTYPED)]
        has = "org" if "org" in made else level != "public"
        made["when"] = tree(rng, variables, has)
    return made


def fields(rng):
    """Fields that point at objects; of forms too, and of elements."""
    made = {}
    for place in rng.sample(["tag", "tags", "/data/tag", "/*/tag", "/items/*/tag"], rng.choice([1, 1, 2])):
        made[place] = {"lookup": rng.choice(["tagged", "slug_tagged as slug"])}
        if rng.random() < 0.4:
            made[place]["shared"] = rng.choice(["allow", "allow", "deny"])
        if rng.random() < 0.3:
            made[place]["required"] = True
    return made


def listed(rng):
    """A list: where it is, how its items name whose they are, and who gets them."""
    by = rng.choice(["", " as slug", " as external", " as name"])
    owner = {"lookup": rng.choice(["tagged", "slug_tagged as slug"]), "key": rng.choice(["/tag", ""])} if rng.random() < 0.3 else rng.choice(["/organization" + by, "/properties/organization" + by, ""])
    made = {"items": rng.choice(["", "/results", "/results", "/data/items"]), "org": owner}
    if rng.random() < 0.4:
        made["keep"] = rng.choice(LEVELS)
    if rng.random() < 0.4:
        made["shared"] = rng.choice(["show", "hide"])
    if rng.random() < 0.3:
        made["envelope"] = ["note"]
    if rng.random() < 0.4:
        made["push"] = rng.choice(["org__in", "organization", "tenant"]) + rng.choice(["", " as slug", " as external", " as name"]) + rng.choice(["", "", " repeated"])
        if rng.random() < 0.6:
            made["shared"] = "hide"
    return made


def says_null(org):
    return any(word in str(org) for word in ("body.", "lookup.", "response."))


def route(rng, text, names, of_host):
    made = rule(rng, text, names, of_host, bodied=False)
    if rng.random() < 0.4:
        result = made
    else:
        result = {}
        verbs = ["read", "write", "GET", "POST", "DELETE", "HEAD", "PATCH"]
        if rng.random() < 0.5:
            verbs = rng.choice([["write", "POST", "PATCH"], ["GET", "POST"], ["read"]])
        for verb in rng.sample(verbs, rng.randint(1, min(4, len(verbs)))):
            result[verb] = rule(rng, text, names, of_host, bodied=verb in ("POST", "PATCH", "write"),
                                reads=verb in ("GET", "read", "HEAD"))
    if rng.random() < 0.12 and not text.endswith("/"):
        result["trailing_slash"] = "either"
    parts = text.split("/")[1:]
    is_list = "'list'" in str(result)
    if rng.random() < 0.2 and not is_list and parts[0].isascii() and not parts[0].startswith("{") and parts[0] not in ("", "**"):
        result["rewrite"] = {"strip_prefix": "/" + parts[0]}
        if rng.random() < 0.5:
            result["rewrite"]["add_prefix"] = rng.choice(["/a", "/b/c"])
        if rng.random() < 0.5:
            result["rewrite"]["unmatched"] = "allow"
    if rng.random() < 0.2:
        result["upstream"] = rng.choice(["app", "docs"])
    return result


def lookups(made, over_http):
    """Every lookup that is used, in one file: those of all files are known in each. Over HTTP it is the service `objects` that is asked."""
    used = sorted(set(re.findall(r"(?:lookup\.|\"lookup\": \")(\w+)", json.dumps([file["routes"] for file in made], default=str))))
    args = {"of_query": "query.object", "of_header": "header.X-Object", "of_body": "body.object", "tagged": "body.tag"}
    for name in used:
        bare = name.removeprefix("slug_")
        place = "/slug as slug" if name != bare else "/organization"
        asks = {"http": {"upstream": "objects", "get": "/object/{1}", "org": place}} if over_http else {"sql": f"SELECT organization_id FROM {name} WHERE id = $1"}
        made[0].setdefault("lookups", {})[name] = {**asks, "args": [args.get(bare, "path." + bare.removeprefix("of_"))]}


def files(rng, over_http=False):
    """Files of a policy; its lookups ask a database, or a service."""
    made, hosts = [], [None, ["api.example.com"], ["{org}.example.com"]]
    for at in range(rng.choice([1, 1, 2, 3])):
        of_host = "org" if hosts[at] and hosts[at][0].startswith("{") else None
        file = {"version": 1, "upstream": rng.choice(["app", "docs"])}
        if hosts[at]:
            file["hosts"] = hosts[at]
        routes, shapes = {}, {}
        for _ in range(rng.randint(3, 9)):
            text, names = pattern(rng)
            if of_host and "org" in names:
                continue
            bare = shape(text)
            # `/x` and `/x/` with `either`, and two variables in one place, could conflict: one of each.
            key = bare.rstrip("/") or "/"
            parents = ["/".join(text.split("/")[:n]) for n in range(1, len(text.split("/")) + 1)]
            clash = key in shapes or any(shape(p) in seen and seen[shape(p)] != p for seen in [shapes] for p in parents)
            if clash:
                continue
            shapes[key] = text
            for p in parents:
                shapes.setdefault(shape(p), p) if "{" in p else None
            routes[text] = route(rng, text, names, of_host)
        if routes:
            file["routes"] = routes
            if rng.random() < 0.3:
                file["defaults"] = {"inject": {"X-User": "user.id"}}
            made.append(file)
    if made:
        lookups(made, over_http)
    return made


def printable(file):
    """The file as YAML has it (JSON is YAML), conditions as text."""
    def walk(what):
        if isinstance(what, dict):
            return {key: conditions.text(value) if key == "when" else walk(value) for key, value in what.items()}
        return what
    return json.dumps(walk(file), ensure_ascii=False, indent=1)


def names_of(rng, world_, slug):
    org_ = world_["organizations"].get(slug)
    spell = [slug, org_["id"] if org_ else UNKNOWN_ID, (org_ or {}).get("external_id") or "999"]
    text = rng.choice(spell)
    if rng.random() < 0.1:
        text = rng.choice([text.upper(), text.replace("-", ""), "{" + text + "}", "urn:uuid:" + text, text + " ", "", "x y"])
    return text


def fill(rng, text, world_):
    parts = []
    for kind, what in patterns.parse(text):
        if kind == patterns.LITERAL:
            parts.append(what if rng.random() < 0.95 else rng.choice(["a", "zz", "%61", what.upper()]))
            if not parts[-1].isascii():
                parts[-1] = "%C3%A9"
        elif kind == patterns.REST:
            parts += [rng.choice(["a", "b", "admin", "x"]) for _ in range(rng.randint(0, 3))]
            if rng.random() < 0.2:
                parts.append("")
        else:
            name, type_ = what
            if name == "org":
                slug = rng.choice(ORGS + ["nowhere"])
                org_ = world_["organizations"].get(slug)
                parts.append(rng.choice([slug, org_["id"] if org_ else UNKNOWN_ID]) if type_ != "uuid" or rng.random() < 0.1
                             else (org_["id"] if org_ else UNKNOWN_ID))
                if rng.random() < 0.1:
                    parts[-1] = parts[-1].upper()
            else:
                good = {"int": ["0", "5", "17"], "uuid": [UNKNOWN_ID], "slug": ["a-b", "x_1"], "str": ["a b".replace(" ", "%20"), "q", "%25", "é".encode().hex() and "%C3%A9"]}
                parts.append(rng.choice(good[type_] if rng.random() < 0.85 else ["05", "-1", "x.y", "7", "ab"]))
    if rng.random() < 0.06:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(ODD))
    if rng.random() < 0.05:
        parts.append("")
    return "/" + "/".join(parts)


def body(rng, world_, route_, who):
    """A body, or none: see bodies.py. Most are what the route reads, and of somebody's own organizations."""
    rules = str(route_)
    own = sorted(world_["users"].get(who, {"levels": {}})["levels"]) or ORGS

    def value(of):
        if of and rng.random() < 0.6:
            slug = rng.choice(own)
            return slug if re.search(r"body\.\S+ as slug", rules) else world_["organizations"][slug]["id"]
        odd = [None, None, 17, True, ["x"], {"id": "x"}, "", "x y"]
        return rng.choice(odd) if rng.random() < 0.2 else names_of(rng, world_, rng.choice(ORGS[:2] * 3 + ORGS + ["nowhere"])) if of else rng.choice(ARGUMENTS + [None])

    def element():
        made = {"x": 1}
        if rng.random() < 0.85:
            made[rng.choice(["organization"] * 12 + ["Organization", "organi-zation"])] = value(True)
        if rng.random() < 0.04:
            made[rng.choice(["ORGANIZATION", "organization[]"])] = value(True)
        for name in ("tag", "tags"):
            if name in rules and rng.random() < 0.8:
                made[name if rng.random() < 0.97 else name.title()] = pointed(True)
        return made

    def pointed(is_json):
        """What a field points at: mostly what is of somebody's own organizations."""
        one = lambda: rng.choice([name for name, slug in world_["objects"].items() if slug in own] * 2 + ARGUMENTS) if rng.random() < 0.9 or not is_json else rng.choice([None, 17, True, {"id": "t1"}, ""])
        return [one() for _ in range(rng.choice([0, 1, 2, 2, 3]))] if is_json and rng.random() < 0.4 else one()

    if rng.random() < 0.1:
        return None
    if rng.random() < 0.3 and not re.search(r"/\*/|/data/", rules) or rng.random() < 0.05:
        pairs = []
        for name, say in [("organization", lambda: value(True)), ("object", lambda: value(False)), ("tag", lambda: pointed(False)), ("tags", lambda: pointed(False)), ("tags", lambda: pointed(False)), ("x", lambda: 1)]:
            if rng.random() < 0.7:
                said = say()
                said = "" if said is None or isinstance(said, (list, dict)) else str(said)
                pairs.append((name if rng.random() < 0.97 else rng.choice([name.title(), name + "[]", name]), said))
        rng.shuffle(pairs)
        if rng.random() < 0.04 and pairs:
            pairs.append(rng.choice(pairs))
        if rng.random() < 0.4:
            return "multipart", pairs
        escaped = lambda text: "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):02X}" if rng.random() < 0.8 or c != " " else "+" for c in text)
        pairs = [(name, escaped(text)) for name, text in pairs]
        if rng.random() < 0.02 and pairs:
            pairs[0] = (pairs[0][0], "%zz")
        return "form", pairs
    if rng.random() < 0.04:
        return "text", "organization=acme"
    if rng.random() < (0.85 if "body./*/" in rules else 0.1):
        return "json", [element() if rng.random() < 0.95 else rng.choice([7, None, []]) for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    made = element()
    if rng.random() < 0.5:
        made["object"] = value(False)
    if rng.random() < (0.9 if "body./data/" in rules else 0.1):
        made["data"] = element()
    if rng.random() < (0.9 if "body./items/" in rules else 0.1):
        made["items"] = [element() for _ in range(rng.choice([0, 1, 2, 3]))]
    return "json", made


def list_of(rng, world_, what, who):
    """A list that the service answers with: as the rule reads it, but for a few."""
    own = sorted(world_["users"].get(who, {"levels": {}})["levels"]) or ORGS

    def name():
        slug = rng.choice(own if rng.random() < 0.5 else ORGS)
        org_ = world_["organizations"][slug]
        if isinstance(what["org"], dict):
            return rng.choice(ARGUMENTS)
        spelled = {"id": org_["id"], "external": org_["external_id"] or "999"}.get(what["org"].partition(" as ")[2] or "id", slug)
        return rng.choice([None, 17, True, ["x"], {"id": spelled}, "", "x y", "nowhere", UNKNOWN_ID, spelled.upper(), spelled.replace("-", ""), int(spelled) if spelled.isdigit() else spelled]) if rng.random() < 0.25 else spelled

    def place(way, inner):
        for step in reversed(way):
            inner = {step: inner, **({"x": 2} if rng.random() < 0.5 else {})}
        return inner

    owner = what["org"]["key"] if isinstance(what["org"], dict) else what["org"].partition(" as ")[0]
    split = lambda pointer: pointer.split("/")[1:]
    items = [place(split(owner) if rng.random() < 0.95 else ["other"], name()) for _ in range(rng.choice([0, 1, 2, 3, 5]))]
    if rng.random() < 0.04:
        return rng.choice([{}, {"results": {}}, [], 7, {"data": []}])
    made = place(split(what["items"]), items)
    if isinstance(made, dict):
        made.update({key: 3 for key in ("count", "page", "note", "next", "version") if rng.random() < 0.4})
    return made


def answer_of(rng, world_, route_, who):
    """What the service answers."""
    lists = [rule_["list"] for rule_ in [route_, *(route_.values() if isinstance(route_, dict) else [])] if isinstance(rule_, dict) and "list" in rule_] if isinstance(route_, dict) else []
    if lists:
        return list_of(rng, world_, rng.choice(lists), who)
    own = sorted(world_["users"].get(who, {"levels": {}})["levels"]) or ORGS

    def element():
        slug = rng.choice(own if rng.random() < 0.6 else ORGS)
        value = slug if re.search(r"response\.\S+ as slug", str(route_)) else world_["organizations"][slug]["id"]
        odd = [None, None, 17, True, ["x"], {"id": "x"}, "", "x y", "nowhere", UNKNOWN_ID]
        made = {rng.choice(["organization"] * 20 + ["Organization"]): rng.choice(odd) if rng.random() < 0.25 else value, "x": 1}
        if rng.random() < 0.04:
            made["ORGANIZATION"] = value
        return made

    return rng.choice([[], [element()], 7]) if rng.random() < 0.05 else {**element(), "data": element()}


def allowed(rng, world_, rule_):
    """Somebody whom the level of a rule lets pass, if there is one."""
    ranks = {"member": 1, "manager": 2, "owner": 3}
    def passes(user):
        return user["active"] and (user["superuser"] or rule_["level"] == "authenticated" or rule_["level"] == "staff" and user["staff"]
                                   or any(ranks[held] >= ranks.get(rule_["level"], 1) for held in user["levels"].values()))
    return rng.choice([name for name, user in world_["users"].items() if passes(user)] or ["user0"])


def request(rng, files_, world_):
    file = rng.choice(files_)
    text = rng.choice(list(file["routes"]))
    # A third of them ask where a body or a list is judged.
    telling = [(one, pattern_, verb) for one in files_ for pattern_, route_ in one["routes"].items() if isinstance(route_, dict)
               for verb, rule_ in route_.items() if isinstance(rule_, dict) and ("list" in rule_ or "fields" in rule_)]
    told = rng.choice(telling) if telling and rng.random() < 0.5 else None
    if told:
        file, text, _ = told
    target = fill(rng, text, world_)
    # What a rewrite leads to, asked directly, and the other way round.
    if rng.random() < 0.1:
        target = rng.choice(["/a", "/api", "/admin", "/b/c"]) + target
    query = []
    for name in ("organization", "tenant"):
        if rng.random() < 0.4:
            spelled = name if rng.random() < 0.9 else rng.choice([name.title(), name + "[]", name + "%5B%5D", name.upper()])
            for _ in range(1 if rng.random() < 0.93 else 2):
                query.append(f"{spelled}={names_of(rng, world_, rng.choice(ORGS + ['nowhere'])).replace(' ', '%20').replace('{', '%7B').replace('}', '%7D')}")
    if rng.random() < 0.5:
        query.append("object=" + rng.choice(ARGUMENTS))
    if rng.random() < 0.3:
        query.append("dry=" + rng.choice(["yes", "no", ""]))
        if rng.random() < 0.1:
            query.append("Dry=yes")
    if query:
        target += "?" + "&".join(query)
    headers = []
    if rng.random() < 0.4:
        headers.append((rng.choice(["X-Org"] * 9 + ["X_Org"]), names_of(rng, world_, rng.choice(ORGS + ["nowhere"])).strip()))
        if rng.random() < 0.05:
            headers.append((rng.choice(["X-Org", "x.org"]), names_of(rng, world_, "acme").strip()))
    if rng.random() < 0.3:
        headers.append(("X-Event", rng.choice(["push", "tag", "none"])))
        if rng.random() < 0.05:
            headers.append(("X_Event", "push"))
    if rng.random() < 0.4:
        headers.append(("X-Object", rng.choice(ARGUMENTS)))
    host = rng.choice(["api.example.com", "acme.example.com", "bolt.example.com", "other.test", "nowhere.example.com"])
    # Half of the time one that the route has.
    made = file["routes"][text]
    verbs = [verb for verb in made if verb in ("read", "write", "GET", "POST", "DELETE", "HEAD", "PATCH")] if isinstance(made, dict) else []
    method = rng.choice(["GET"] * 4 + ["POST"] * 2 + ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
    if verbs and rng.random() < 0.6:
        verb = rng.choice(verbs)
        method = {"read": "GET", "write": rng.choice(["POST", "PUT", "PATCH"])}.get(verb, verb)
    who = rng.choice(list(world_["users"]) * 3 + ["anonymous", "stranger"])
    if told:
        made = made[told[2]]
        method = {"read": "GET", "write": rng.choice(["POST", "PUT", "PATCH"])}.get(told[2], told[2])
        if rng.random() < 0.7:
            who = allowed(rng, world_, made)
    return {
        "method": method, "target": target, "host": host, "headers": headers, "body": body(rng, world_, made, who) if rng.random() < 0.9 else None, "client": rng.choice([None, "127.0.0.1", "10.1.2.3", "2001:db8::1"]),
        "as": who, "answer": answer_of(rng, world_, made, who) if "response." in str(files_) or "'list'" in str(files_) else None,
    }
