"""The verdict on a request, as docs/ tells it. It shares no code with the product: where the two disagree, the product, the
documentation or this file is wrong.

A world:  {"organizations": {SLUG: {"id", "active", "external_id"}}, "users": {NAME: {"id", "active", "superuser", "staff",
          "email", "external_id", "groups": [...], "levels": {SLUG: LEVEL}, "permissions": [...], "super_roles": [...], "roles": {SLUG: [...]},
          "home": SLUG | None, "token": None | {"organizations": [SLUG...], "permissions": [...], "read_only"}}},
          "objects": {ARGUMENT: SLUG | None}}: what every lookup finds; None is shared
A file of a policy: what the YAML says, as Python has it, but `when` is a tree of conditions.py.
A request: {"method", "target", "host", "headers": [(NAME, VALUE)], "as": NAME | "anonymous" | "stranger", "body": see bodies.py,
          "answer": what the service answers, as JSON, where that decides}
          (a stranger sends a bearer token that nobody has).
"""

import bodies
import conditions
import lists
import patterns
import targets

READ = ("GET", "HEAD", "OPTIONS")
RANKS = {"member": 1, "manager": 2, "owner": 3}
# The levels that an organization of the rule decides.
DECIDE = ("member", "manager", "owner", "permitted", "superuser")


class Refused(Exception):
    """A refusal: status and reason code."""

    def __init__(self, status, code):
        super().__init__(status, code)
        self.status, self.code = status, code


def folded(name):
    """Header names are compared by their letters and digits, in lower case (docs/reference/headers.md)."""
    return "".join(c for c in name.lower() if c.isalnum())


# --- rules -----------------------------------------------------------------------------------------------------------

ROUTE_ONLY = ("upstream", "rewrite", "trailing_slash", "cors", "allow_lint", "target")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MERGED = ("inject", "shared", "timeout", "fields")


def options(*layers):
    """Later layers win; the maps of MERGED merge by key."""
    result = {}
    for layer in layers:
        for key, what in layer.items():
            if key in MERGED and key in result:
                result[key] = {**result[key], **what}
            else:
                result[key] = what
    return result


def rule_of(file, route, method):
    """The options in force for a method of a route, with "level"; None where the route does not have the method."""
    if isinstance(route, str):
        route = {"level": route}
    verbs = {key: what for key, what in route.items() if key in METHODS or key in ("read", "write")}
    own = {key: what for key, what in route.items() if key not in verbs}
    # A method by its name wins over `read` and `write`, and GET stands for HEAD too.
    names = [method] + (["GET"] if method == "HEAD" else []) + ["read" if method in READ else "write"]
    verb = next((verbs[name] for name in names if name in verbs), None)
    if verb is None:
        # `level` is for all methods that say nothing else.
        if "level" not in own:
            return None
        verb = {}
    if isinstance(verb, str):
        verb = {"level": verb}
    defaults = {key: what for key, what in file.get("defaults", {}).items() if key != "level"}
    return options(defaults, own, verb)


class Policy:
    def __init__(self, files):
        # Tiers of hosts: written out, with a variable, none.
        self.files = files
        self.lookups = {name: what for file in files for name, what in file.get("lookups", {}).items()}

    def tiers(self, host):
        exact, variable, none = [], [], []
        for file in self.files:
            if not file.get("hosts"):
                none.append((file, {}))
                continue
            for pattern in file["hosts"]:
                labels, wanted = host.split("."), pattern.split(".")
                if pattern == host:
                    exact.append((file, {}))
                elif wanted[0].startswith("{") and len(labels) == len(wanted) and labels[1:] == wanted[1:] and labels[0]:
                    variable.append((file, {wanted[0][1:-1].partition(":")[0]: labels[0]}))
        return exact, variable, none

    def find(self, host, segments, upstream=None):
        """(file, route, pattern, path variables, host variables) of the route that counts; of one upstream where it is named."""
        for tier in self.tiers(host):
            routes = [
                (patterns.parse(text), either(file, route), (file, route, text, of_host))
                for file, of_host in tier
                for text, route in file["routes"].items()
                if upstream is None or upstream_of(file, route) == upstream
            ]
            found = patterns.find(routes, segments)
            if found:
                (file, route, text, of_host), variables = found
                return file, route, text, variables, of_host
        return None


def setting(file, route, key):
    own = route.get(key) if isinstance(route, dict) else None
    return own if own is not None else file.get("defaults", {}).get(key)


def either(file, route):
    return setting(file, route, "trailing_slash") == "either"


def upstream_of(file, route):
    return setting(file, route, "upstream") or file.get("upstream") or "app"


# --- organizations ---------------------------------------------------------------------------------------------------


def read_body(request, place):
    """What the body says at a place."""
    if request["method"] in bodies.BODILESS:
        return []
    try:
        return bodies.said(request.get("body"), place)
    except bodies.Unreadable as unreadable:
        raise Refused(unreadable.status, unreadable.code) from None


def lookup_of(source):
    """The lookup that a source reads, or None."""
    place = source.partition(" as ")[0]
    return place.removeprefix("lookup.") if place.startswith("lookup.") else None


def awaits(rule):
    """Whether the service's answer decides."""
    return "org" in rule and any(source.startswith("response.") for alternatives, _, _ in groups_of(rule["org"]) for source in alternatives)


def find_objects(policy, world, rule, request, variables, of_host):
    """What the rule's lookups find, by name: a slug, or SHARED. An argument that is not there, or says null, names no object: nothing."""
    found = {}
    for alternatives, _, optional in groups_of(rule["org"]) if "org" in rule else []:
        for source in alternatives:
            name = lookup_of(source)
            if name is None or name in found:
                continue
            arg = policy.lookups[name]["args"][0]
            if arg.startswith("body."):
                values = read_body(request, arg.removeprefix("body."))
                if len(values) > 1:
                    raise Refused(400, "ambiguous")
                text = values[0] if values and values[0] is not bodies.SHARED else None
            else:
                text = read_source(arg, request, variables, of_host)
            if text is None:
                continue
            if text in world["objects"]:
                slug = world["objects"][text]
                found[name] = bodies.SHARED if slug is None else slug
            elif not creates(alternatives, optional, request["method"]):
                raise Refused(404, "lookup_not_found")
    return found


def creates(alternatives, optional, method):
    """PUT makes what an optional lookup does not find."""
    return optional and method == "PUT" and all(lookup_of(source) for source in alternatives)


def read_source(source, request, variables, of_host):
    """The text that names the organization, or None where nothing does; ambiguous is refused."""
    place, _, kind = source.partition(" as ")
    root, _, name = place.partition(".")
    if root == "path":
        return variables[name]
    if root == "host":
        return of_host[name]
    if root == "query":
        found = targets.parameters(request["target"], name)
        if found is None:
            raise Refused(400, "ambiguous")
        return found[0] if found else None
    if root == "header":
        found = [(n, v) for n, v in request["headers"] if folded(n) == folded(name)]
        if len(found) > 1 or (found and found[0][0].lower() != name.lower()):
            raise Refused(400, "ambiguous")
        return found[0][1] if found else None
    raise AssertionError(source)


def resolve(world, kind, named):
    """The slug of the organization that a text names, or None; one of another form is org_missing."""
    if named == "" or len(named.encode()) > 255:
        raise Refused(400, "org_missing")
    if kind == "id":
        plain = named.lower().removeprefix("urn:uuid:")
        if plain.startswith("{") and plain.endswith("}") and not named.lower().startswith("urn:"):
            plain = plain[1:-1]
            if not patterns.UUID.match(plain):
                raise Refused(400, "org_missing")
        elif named.lower().startswith("urn:") and not patterns.UUID.match(plain):
            raise Refused(400, "org_missing")
        bare = plain.replace("-", "") if patterns.UUID.match(plain) else plain
        if len(bare) != 32 or any(c not in "0123456789abcdef" for c in bare):
            raise Refused(400, "org_missing")
        return next((s for s, o in world["organizations"].items() if o["id"].replace("-", "") == bare), None)
    if kind == "slug":
        if not patterns.SLUG.match(named):
            raise Refused(400, "org_missing")
        return named if named in world["organizations"] else None
    return next((s for s, o in world["organizations"].items() if o["external_id"] == named), None)


def groups_of(org):
    """`org` as a list of (alternatives, primary, optional)."""
    result = []
    for entry in org if isinstance(org, list) else [org]:
        primary = optional = False
        while True:
            if entry.endswith(" primary"):
                entry, primary = entry[: -len(" primary")], True
            elif entry.endswith(" optional"):
                entry, optional = entry[: -len(" optional")], True
            else:
                break
        result.append((entry.split(" or "), primary, optional))
    return result


def level_in(world, user, slug):
    """The user's level in an active organization: 0 is none."""
    if slug is None or not world["organizations"][slug]["active"]:
        return 0
    return RANKS.get(user["levels"].get(slug), 0)


def same_kind_differs(present):
    """Two texts of one kind that differ name two organizations, whatever they name."""
    plain = lambda kind, text: text.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "") if kind == "id" else text
    texts = [(kind, plain(kind, text)) for kind, text in present if kind != "shared"]
    return any(kind == other and text != against for at, (kind, text) in enumerate(texts) for other, against in texts[:at])


def read_organizations(world, rule, request, variables, of_host, objects, is_answered=True):
    """What the request says of organizations: an entry for each one of `org` that is there, with whether it is primary. An entry is a list
    of (kind, text), or of ("shared", None); or, where elements of the body are judged by themselves, one ("each", [(kind, text)...])."""
    if "org" not in rule:
        return []
    decides = rule["level"] in DECIDE
    bodiless = request["method"] in bodies.BODILESS
    # Every source is read, from left to right; the first that is refused is told.
    entries, groups = [], groups_of(rule["org"])
    for alternatives, primary, optional in groups:
        present, of_body, says_body = [], False, False
        if not is_answered and any(source.startswith("response.") for source in alternatives):
            continue
        if bodiless and all(source.startswith("body.") for source in alternatives):
            continue
        for source in alternatives:
            place, _, kind = source.partition(" as ")
            kind = kind or "id"
            if source == "user.only":
                continue
            if place.startswith("body."):
                if bodiless:
                    continue
                of_body = True
                values = [
                    ("shared", None) if value is bodies.SHARED else (kind, value)
                    for value in read_body(request, place.removeprefix("body."))
                ]
                says_body = says_body or bool(values)
                if len(groups) == len(alternatives) == 1 and "*" in bodies.steps(place.removeprefix("body.")):
                    for what, text in values:
                        if what != "shared":
                            resolve(world, kind, text)
                    if len(values) > 1:
                        present = [("each", values)]
                        continue
            elif place.startswith("response."):
                try:
                    value = bodies.answered(request["answer"], place.removeprefix("response."))
                    # Where it decides nothing it may be absent.
                    if value is None and not decides:
                        continue
                    if value is None:
                        raise Refused(502, "answer_unreadable")
                    values = [("shared", None) if value is bodies.SHARED else (kind, value)]
                    if value is not bodies.SHARED:
                        resolve(world, kind, value)
                except (bodies.Unreadable, Refused):
                    raise Refused(502, "answer_unreadable") from None
            elif lookup_of(source):
                slug = objects.get(lookup_of(source))
                if slug is None:
                    continue
                known = None if slug is bodies.SHARED else world["organizations"][slug]
                values = [("shared", None) if known is None else (kind, known["id"] if kind == "id" else slug)]
            else:
                text = read_source(source, request, variables, of_host)
                values = [] if text is None else [(kind, text)]
            for kind, text in values:
                if kind != "shared":
                    resolve(world, kind, text)
                present.append((kind, text))
                if same_kind_differs(present):
                    raise Refused(400, "ambiguous")
        if not present and "user.only" in alternatives:
            present = [("only", None)]
        # A field that is not sent is shared, but where a part is edited.
        if not present and of_body and decides and request["method"] != "PATCH":
            present, says_body = [("shared", None)], True
        absent = optional and request["method"] == "PATCH" or creates(alternatives, optional, request["method"])
        if not present and decides and not absent:
            raise Refused(400, "org_missing")
        if present:
            # In the order of its alternatives, as docs/policy.md has it: what the body says counts as the body's.
            entries.append((present, primary, says_body))
    if not entries and decides and is_answered:
        raise Refused(400, "org_missing")
    return entries


class Named:
    """The organizations of a request."""

    def __init__(self, orgs=(), of_request=None, shared=False, each=False, of_body=None):
        # All of them; that of the request, where there is one; whether something of it is shared; whether they are those of elements;
        # what the body says, a slug or SHARED, where it says it.
        self.orgs, self.of_request, self.shared, self.each, self.of_body = list(orgs), of_request, shared, each, of_body


def organizations(world, rule, entries, user, method):
    """The organizations of what was read, each judged."""
    if user is None:
        return Named()
    decides = rule["level"] in DECIDE
    is_shared = lambda present: all(kind == "shared" for kind, _ in present)
    any_primary = any(primary for _, primary, _ in entries)
    if decides and len(entries) == 1 and entries[0][0][0][0] == "each":
        values = entries[0][0][0][1]
        orgs = []
        for kind, text in values:
            slug = kind != "shared" and judged(world, rule, [(kind, text)], user, method)
            if slug and slug not in orgs:
                orgs.append(slug)
        shared = any(kind == "shared" for kind, _ in values)
        # Written in two ways it is one organization all the same.
        return Named(orgs, orgs[0]) if len(orgs) == 1 and not shared else Named(orgs, None, shared, True)
    if len(entries) == 1 and entries[0][0][0][0] == "each":
        # Nothing is told of those that are not the caller's: for permissions it is as if the element named none.
        known = []
        for kind, text in entries[0][0][0][1]:
            try:
                slug = None if kind == "shared" else judged(world, rule, [(kind, text)], user, method)
            except Refused:
                slug = None
            known.append(slug)
        return Named([slug for slug in known if slug], None, None in known, True)
    shared = decides and any(kind == "shared" for present, _, _ in entries for kind, _ in present)
    if shared:
        # Null in one place and an organization in another are two things, but of what may move from one to the other.
        mixed = lambda present: not is_shared(present) and any(kind == "shared" for kind, _ in present)
        if any(mixed(present) for present, _, _ in entries) if any_primary else not all(is_shared(present) for present, _, _ in entries):
            raise Refused(400, "ambiguous")
        check_shared(world, rule, user, method)
        if all(is_shared(present) for present, _, _ in entries):
            return Named(shared=True)
    # From left to right each is judged, then compared with those before it.
    named, of_primary, said = [], None, None
    try:
        for present, primary, of_body in entries:
            if decides and is_shared(present):
                said = bodies.SHARED if of_body else said
                continue
            slug = judged(world, rule, present, user, method)
            if not any_primary and named and slug != named[0]:
                raise Refused(400, "ambiguous")
            named.append(slug)
            of_primary = slug if primary else of_primary
            said = slug if of_body else said
    except Refused as refused:
        if decides or refused.code == "ambiguous":
            raise
        return Named()
    return Named(named, of_primary if any_primary else named[0] if named else None, shared, of_body=said)


def owners_of_fields(world, rule, request, named, place):
    """Whose the objects must be that a field points at, for each element that `*` leads to: a set of slugs, or SHARED."""
    asked = groups_of(rule["org"])
    source = asked[0][0][0]
    way, shared_way = bodies.steps(place), bodies.steps(source.partition(" as ")[0].removeprefix("body."))
    # The same `*` leads to both: each element says its own.
    common = 0
    while common < min(len(way), len(shared_way)) and way[common] == shared_way[common]:
        common += 1
    if len(asked) == 1 and len(asked[0][0]) == 1 and source.startswith("body.") and "*" in way[:common] \
            and request["body"] and request["body"][0] == "json":
        kind = source.partition(" as ")[2] or "id"
        own = []
        bodies.elements(request["body"][1], shared_way, own)
        return [bodies.SHARED if text is None else {resolve(world, kind, text)} for text in own]
    if named.each:
        return set(named.orgs)
    owner = named.of_body if named.of_body is not None else named.of_request
    return bodies.SHARED if owner is bodies.SHARED or (owner is None and named.shared) else {owner}


def read_fields(rule, request):
    """What the body points at: (place, field, what `bodies.pointed` says) of each field."""
    read = []
    for place, field in rule.get("fields", {}).items() if request["method"] not in bodies.BODILESS else []:
        try:
            values = bodies.pointed(request.get("body"), place)
        except bodies.Unreadable as unreadable:
            raise Refused(unreadable.status, unreadable.code) from None
        for texts in values:
            if field.get("required") and (texts is None and request["method"] != "PATCH" or texts and bodies.SHARED in texts):
                raise Refused(400, "body_invalid")
        read.append((place, field, values))
    return read


def check_fields(world, rule, request, user, named, read):
    """Whether what the body points at belongs to the organization of the request."""
    for place, field, values in read:
        owners = None
        if "org" in rule and rule["level"] in DECIDE:
            owners = owners_of_fields(world, rule, request, named, place)
        for at, texts in enumerate(values):
            # Where no element is, nothing points.
            owner = owners[at] if isinstance(owners, list) and texts else owners
            for text in texts or []:
                if text is bodies.SHARED:
                    continue
                if text not in world["objects"]:
                    raise Refused(403, "field_foreign")
                slug = world["objects"][text]
                if slug is None:
                    passes = user["superuser"] or field.get("shared") == "allow"
                elif owner is bodies.SHARED:
                    passes = False
                elif owner is not None:
                    passes = slug in owner
                else:
                    # Of a superuser's narrowed token only ids are known.
                    lifted = user["superuser"] or " as " not in field["lookup"] and superuser_in(user, slug)
                    passes = lifted or level_in(world, user, slug) >= RANKS.get(rule["level"], 1)
                if not passes:
                    raise Refused(403, "field_foreign")


def listed(world, rule, request, user):
    """What the caller gets of the list that the service answers with."""
    what = rule["list"]
    if user["superuser"] and what.get("shared") != "hide":
        return request["answer"]
    judged_items = []

    def whose(text):
        judged_items.append(keeps(world, rule, user, text))
        return judged_items[-1]

    try:
        left = lists.kept(request["answer"], what, whose)
        # Totals hold where the list was narrowed at its source, and nothing else came.
        is_whole = pushed_to(world, rule, user) is not None and all(judged_items)
        return lists.kept(request["answer"], what, whose, totals=True) if is_whole else left
    except lists.Unreadable:
        raise Refused(502, "answer_unreadable") from None


def keeps(world, rule, user, text):
    """Whether the caller gets an item that says this of its organization, or of the object that knows it."""
    what, owner = rule["list"], rule["list"]["org"]
    kind = (owner["lookup"] if isinstance(owner, dict) else owner).partition(" as ")[2] or "id"
    if text is lists.DROPPED:
        return False
    if text is bodies.SHARED:
        return sees_shared(world, rule, user)
    if isinstance(owner, dict):
        if text not in world["objects"]:
            return False
        slug = world["objects"][text]
        if slug is None:
            return sees_shared(world, rule, user)
    elif user["superuser"]:
        # What it names is not looked at: superusers pass everywhere.
        return True
    else:
        try:
            slug = by_name(world, text) if kind == "name" else resolve(world, kind, text)
        except Refused:
            return False
    if slug is None:
        # Whether there is one of that id is not looked at either.
        return kind == "id" and user.get("lifted", False) and not user["narrowed"]["organizations"]
    # Of a superuser's narrowed token only ids are known.
    lifted = user["superuser"] or kind == "id" and superuser_in(user, slug)
    return lifted or level_in(world, user, slug) >= RANKS[what.get("keep", "member")]


def by_name(world, text):
    return text if text in world["organizations"] else None


def pushed_to(world, rule, user):
    """The names of the organizations that the service is asked for, or None where nothing is pushed."""
    what = rule["list"]
    if "push" not in what or superuser_anywhere(user) or sees_shared(world, rule, user):
        return None
    mine = [slug for slug in user["levels"] if level_in(world, user, slug) >= RANKS[what.get("keep", "member")]]
    kind = what["push"].removesuffix(" repeated").partition(" as ")[2] or "id"
    # In the order of the organizations' ids.
    known = sorted((world["organizations"][slug]["id"], slug) for slug in mine)
    names = [{"id": id_, "external": world["organizations"][slug]["external_id"]}.get(kind, slug) for id_, slug in known]
    return [name for name in names if name]


def superuser_anywhere(user):
    return user["superuser"] or user.get("lifted", False)


def same_name(world, rule, text, other):
    """Whether the client names the same: ids in any spelling."""
    if rule["list"]["push"].removesuffix(" repeated").partition(" as ")[2]:
        return text == other
    try:
        slug = resolve(world, "id", other)
        return slug is not None and world["organizations"][slug]["id"] == text
    except Refused:
        return False


def sees_shared(world, rule, user):
    try:
        check_shared(world, rule, user, "GET")
        return rule["list"].get("shared") != "hide"
    except Refused:
        return False


def push(world, rule, target, user):
    """The target that the service is asked for; None where nothing is left that could be the caller's."""
    names = pushed_to(world, rule, user)
    if names is None:
        return target
    name = rule["list"]["push"].partition(" ")[0]
    repeated = rule["list"]["push"].endswith(" repeated")
    path, _, query = target.partition("?")
    pieces = [piece for piece in query.split("&") if piece]
    asked = [targets.decoded(piece.partition("=")[2]) for piece in pieces if targets.decoded(piece.partition("=")[0]) == name]
    asked = [text for value in asked for text in ([value] if repeated else value.split(",")) if text]
    if asked:
        names = [text for text in names if any(same_name(world, rule, text, other) for other in asked)]
    if not names:
        return None
    pieces = [piece for piece in pieces if targets.folded(piece.partition("=")[0]) != targets.folded(name)]
    pieces += [f"{name}={text}" for text in names] if repeated else [f"{name}={','.join(names)}"]
    return path + "?" + "&".join(pieces)


def check_shared(world, rule, user, method):
    """Whether somebody may touch what belongs to no organization."""
    if rule["level"] == "superuser" and not user["superuser"]:
        raise Refused(403, "superuser_only")
    asked = {"read": "manager", "write": "superuser", **rule.get("shared", {})}["read" if method in READ else "write"]
    if user["superuser"] and asked != "deny" or asked == "authenticated" or asked == "staff" and user["staff"]:
        return
    if asked not in RANKS or not any(level_in(world, user, slug) >= RANKS[asked] for slug in user["levels"]):
        raise Refused(403, "shared_denied")


def judged(world, rule, present, user, method):
    """The organization of one entry: that of the first source, and the others must name the same."""
    found = None
    for kind, text in present:
        # Only where the organization does not decide: it is not told.
        if kind in ("shared", "each"):
            continue
        if kind == "only":
            mine = [s for s in user["levels"] if level_in(world, user, s)]
            if len(mine) != 1 or user.get("elsewhere"):
                raise Refused(400, "org_missing")
            return mine[0]
        slug = resolve(world, kind, text)
        if slug is not None and not (superuser_in(user, slug) or level_in(world, user, slug) or permitted(world, rule, method, user, slug)):
            slug = None
        if found is None and slug is None:
            sources = [source for alternatives, _, _ in groups_of(rule["org"]) for source in alternatives]
            looked_up = any(lookup_of(source) or source.startswith("response.") for source in sources)
            raise Refused(rule.get("foreign", 404 if looked_up else 403), "org_foreign")
        if found is not None and slug != found:
            raise Refused(400, "ambiguous")
        found = slug
    if found is None:
        raise Refused(400, "org_missing")
    return found


def permitted(world, rule, method, user, slug):
    """Whether a permission that holds everywhere lets somebody into an organization that they do not belong to."""
    if rule["level"] != "permitted" or not world["organizations"][slug]["active"] or not within(user, slug):
        return False
    asked = wanted(rule, method)
    return bool(asked) and all(any(p in everywhere(rule, user) for p in any_of) for any_of in asked)


# --- the verdict -----------------------------------------------------------------------------------------------------


def authenticate(world, rule, request):
    """The user, or None for an anonymous one."""
    who = request["as"]
    if rule["level"] == "public":
        return None
    if who == "stranger":
        raise Refused(401, "credentials_invalid")
    if who == "anonymous":
        if rule["level"] == "optional":
            return None
        raise Refused(401, "credentials_missing")
    user = world["users"][who]
    if not user["active"]:
        raise Refused(401, "user_inactive")
    token = user["token"]
    if token and token["read_only"] and request["method"] not in READ:
        raise Refused(403, "scope_exceeded")
    return narrowed(world, user, token) if token and (token["organizations"] or token["permissions"]) else user


def narrowed(world, user, token):
    """What is left of a user whose token is narrowed to organizations, or permissions."""
    inside = lambda slug: not token["organizations"] or slug in token["organizations"]
    good = lambda held: [p for p in held if not token["permissions"] or p in token["permissions"]]
    return {
        **user, "staff": False, "superuser": False, "lifted": user["superuser"], "narrowed": token,
        "levels": {slug: level for slug, level in user["levels"].items() if inside(slug)},
        "elsewhere": any(level_in(world, user, slug) and not inside(slug) for slug in user["levels"]),
        "permissions": good(user["permissions"]), "super_roles": good(user["super_roles"]),
        "roles": {slug: good(held) for slug, held in user["roles"].items() if inside(slug)},
    }


def within(user, slug):
    """Whether the token is good for an organization."""
    token = user.get("narrowed")
    return not token or not token["organizations"] or slug in token["organizations"]


def superuser_in(user, slug):
    return user["superuser"] or (user.get("lifted", False) and within(user, slug))


def check_scope(rule, method, user):
    """A token of permissions is good for nothing that asks a level and no permission."""
    token = user and user.get("narrowed")
    if token and token["permissions"] and rule["level"] not in ("public", "optional", "authenticated") and not wanted(rule, method):
        raise Refused(403, "scope_exceeded")


def check_level(world, rule, user, named, method):
    level, orgs = rule["level"], named.orgs
    if named.each and level in DECIDE:
        for slug in orgs:
            check_level(world, rule, user, Named([slug], slug), method)
        if named.shared:
            check_shared(world, rule, user, method)
        return
    if named.shared and not orgs and level in DECIDE:
        return
    if level == "superuser" and not user["superuser"]:
        raise Refused(403, "superuser_only")
    if level == "staff" and not user["staff"]:
        raise Refused(403, "staff_only")
    if level in RANKS and not user["superuser"]:
        if "org" in rule and named.of_request and superuser_in(user, named.of_request):
            return
        if "org" in rule:
            ranks = [level_in(world, user, slug) for slug in orgs]
            if any(rank < RANKS[level] for rank in ranks):
                raise Refused(403, "org_level_missing")
        elif not any(level_in(world, user, slug) >= RANKS[level] for slug in user["levels"]):
            raise Refused(403, "org_level_missing")


def everywhere(rule, user):
    """The permissions that hold in every organization."""
    own = [] if rule.get("user_permissions") == "off" else user["permissions"]
    return own + user["super_roles"]


def has_permission(world, rule, user, permission, named, asked):
    orgs = named.orgs if named.each or named.of_request else []
    # In no organization, or in one and in none, it must hold in all there are.
    in_all = not orgs or named.shared
    token = user.get("narrowed")
    if token and token["permissions"] and permission not in token["permissions"]:
        return False
    if token and token["organizations"] and asked and in_all:
        return False
    if user["superuser"] or user.get("lifted") or permission in everywhere(rule, user):
        return True
    roles = {slug: held for slug, held in user["roles"].items() if level_in(world, user, slug)}
    if asked:
        return not in_all and all(permission in roles.get(slug, []) for slug in orgs)
    return any(permission in held for held in roles.values())


def check_permissions(world, rule, request, user, named):
    if rule["level"] == "public" or user is None:
        if user is None and rule["level"] == "optional" and ("permissions" in rule or "model" in rule):
            raise Refused(403, "permission_missing")
        return
    asked = "org" in rule
    for any_of in wanted(rule, request["method"]):
        if user["superuser"] and any_of:
            continue
        if not any(has_permission(world, rule, user, p, named, asked) for p in any_of):
            raise Refused(403, "permission_missing")


def wanted(rule, method):
    """Lists of permissions, one of each of which is needed."""
    found = []
    if "permissions" in rule:
        listed = rule["permissions"]
        found += [[p] for p in ([listed] if isinstance(listed, str) else listed)]
    if "model" in rule:
        app, model = rule["model"].split(".")
        verbs = {"GET": ("view", "change"), "HEAD": ("view", "change"), "POST": ("add",), "PUT": ("change",),
                 "PATCH": ("change",), "DELETE": ("delete",), "OPTIONS": None}.get(method, ())
        if verbs is not None:
            found.append([f"{app}.{verb}_{model}" for verb in verbs])
    return found


def org_level(world, user, slug):
    if user is None or slug is None:
        return None
    rank = level_in(world, user, slug)
    if rank:
        return user["levels"][slug]
    # Nobody else gets here without belonging to it.
    return "superuser" if superuser_in(user, slug) else "permitted"


def named(world, user):
    """What tells a user from every other, and the primary organization while it is active."""
    home = user["home"]
    return {
        "login": f"{home}/{user['name']}" if home else user["name"],
        "organization": home if home and world["organizations"][home]["active"] and within(user, home) else None,
    }


def facts_of(world, request, variables, user, slug, path):
    org = None
    if slug is not None and user is not None and org_level(world, user, slug):
        found = world["organizations"][slug]
        org = {"id": found["id"], "slug": slug, "external_id": found["external_id"], "level": org_level(world, user, slug)}
    whole = {"headers": {}, "query": {}}
    for name, text in request["headers"]:
        whole["headers"][name.lower()] = text
    for name, text in targets.all_parameters(request["target"]):
        whole["query"].setdefault(name, text)
    return {
        "request": {"method": request["method"], "path": path, "host": request["host"], **whole},
        "client": {"address": request["client"]},
        "user": None if user is None else {
            "id": user["id"], "username": user["name"], "email": user["email"], "is_staff": user["staff"],
            "is_superuser": user["superuser"], **named(world, user),
        },
        "org": org,
        "path": variables,
    }


def check_condition(world, rule, request, variables, user, slug, path):
    if "when" not in rule:
        return
    for where, name in conditions.names(rule["when"]):
        if where == "query":
            if targets.parameters(request["target"], name) is None:
                raise Refused(400, "ambiguous")
        else:
            found = [n for n, _ in request["headers"] if folded(n) == folded(name)]
            if len(found) > 1 or (found and found[0].lower() != name.lower()):
                raise Refused(400, "ambiguous")
    if not conditions.holds(rule["when"], facts_of(world, request, variables, user, slug, path)):
        raise Refused(403, "condition_false")


def allow_of(file, route):
    return [m for m in METHODS if rule_of(file, route, m) is not None]


def route_and_rule(policy, request, segments, upstream=None):
    """(file, route, pattern, variables, host variables, rule); None where no route matches. What the method alone refuses is refused."""
    found = policy.find(request["host"], segments, upstream)
    if found is None:
        return None
    file, route, text, variables, of_host = found
    rule = rule_of(file, route, request["method"])
    if rule is None:
        raise Refused(405, "method_not_allowed")
    if rule["level"] == "deny":
        raise Refused(403, "denied")
    return file, route, text, variables, of_host, rule


def decide(world, asked, users, found, is_answered=True):
    """What both rules say, one after the other: the organizations of each."""
    read = []
    for ((_, _, _, variables, of_host, rule), seen, _), objects in zip(asked, found):
        read.append(read_organizations(world, rule, seen, variables, of_host, objects, is_answered))
    orgs, judged_rules = [], []
    for ((_, _, text, variables, _, rule), seen, path), user, entries in zip(asked, users, read):
        check_scope(rule, seen["method"], user)
        is_awaited = not is_answered and awaits(rule)
        if is_awaited and not entries:
            if rule["level"] in ("staff", "superuser"):
                check_level(world, rule, user, Named(), seen["method"])
            continue
        said = organizations(world, rule, entries, user, seen["method"])
        orgs.append(said)
        if rule["level"] != "public":
            check_level(world, rule, user, said, seen["method"])
        if is_awaited:
            continue
        if rule["level"] != "public":
            check_permissions(world, rule, seen, user, said)
        check_condition(world, rule, seen, typed(text, variables), user, said.of_request, "/" + "/".join(path))
        judged_rules.append((rule, seen, user, said))
    # What the fields of both point at comes behind all else: read first, then judged.
    fields = [read_fields(rule, seen) for rule, seen, _, _ in judged_rules]
    for (rule, seen, user, said), read in zip(judged_rules, fields):
        check_fields(world, rule, seen, user, said, read)
    return orgs


def judge(policy, world, request):
    """("allow", details) or (status, code)."""
    try:
        segments = targets.parse(request["target"])
        if segments is None:
            raise Refused(400, "bad_target")
        first = route_and_rule(policy, request, segments)
        if first is None:
            raise Refused(404, "no_route")
        asked = [(first, request, segments)]
        rewrite = setting(first[0], first[1], "rewrite")
        target = request["target"]
        if rewrite:
            target = targets.rewritten(target, rewrite)
            after = targets.parse(target)
            if after is None:
                raise Refused(400, "bad_target")
            second = route_and_rule(policy, request, after, upstream_of(first[0], first[1]))
            if second is not None:
                asked.append((second, {**request, "target": target}, after))
            elif rewrite.get("unmatched") != "allow":
                raise Refused(404, "no_route")
        # Both rules' credentials, then what both read of organizations, then one rule after the other.
        users = [authenticate(world, of[5], request) for of, _, _ in asked]
        found = [find_objects(policy, world, of[5], seen, of[3], of[4]) for of, seen, _ in asked]
        # Where the answer decides, everything else lets the request go to the service first.
        if any(awaits(of[5]) for of, _, _ in asked):
            decide(world, asked, users, found, is_answered=False)
        orgs = decide(world, asked, users, found)
        file, route, _, variables, _, rule = first
        of_list = next(((of[5], user) for (of, _, _), user in zip(asked, users) if "list" in of[5]), None)
        told = {}
        # Of a HEAD nothing comes that could be filtered.
        if of_list:
            target = push(world, of_list[0], target, of_list[1])
            if request["method"] != "HEAD":
                told["answer"] = listed(world, of_list[0], request, of_list[1]) if target else lists.empty(of_list[0]["list"])
        return "allow", {
            **told, "target": target, "upstream": upstream_of(file, route),
            "inject": injected(world, rule, request, users[0], orgs[0].of_request, variables),
        }
    except Refused as refused:
        return refused.status, refused.code


def typed(text, variables):
    """The variables as conditions have them."""
    result = {}
    for kind, what in patterns.parse(text):
        if kind in (patterns.TYPED, patterns.UNTYPED) and what[0] in variables:
            name, type_ = what
            result[name] = {"int": int, "uuid": str.lower}.get(type_, str)(variables[name])
    return result


def injected(world, rule, request, user, slug, variables):
    """The identity headers that the upstream must see, by name; None for one that must be absent."""
    level = org_level(world, user, slug)
    org = world["organizations"].get(slug) if level else None
    result = {}
    for name, what in rule.get("inject", {}).items():
        if isinstance(what, dict):
            found = what["literal"]
        else:
            root, _, field = what.partition(".")
            if root == "user":
                found = None if user is None else {
                    "id": user["id"], "username": user["name"], "email": user["email"], "external_id": user["external_id"],
                    "is_staff": str(user["staff"]).lower(), "is_superuser": str(user["superuser"]).lower(), **named(world, user),
                }[field]
            elif root == "org":
                found = None if org is None else {
                    "id": org["id"], "slug": slug, "external_id": org["external_id"], "level": level}[field]
            elif root == "orgs":
                mine = [] if user is None else [
                    world["organizations"][s]["id"] for s in user["levels"] if level_in(world, user, s) >= RANKS[field]]
                found = None if user is None or not mine else ",".join(sorted(mine))
            elif root == "path":
                found = variables[field]
            else:
                raise AssertionError(what)
        result[name] = targets.visible(found, literal=isinstance(what, dict) or root == "orgs") if found not in (None, "") else None
    return result
