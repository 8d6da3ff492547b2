"""Path and host patterns: what matches, and which of several matches wins (docs/policy.md, "Patterns" and "Hosts")."""

import re

UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
INT = re.compile(r"(0|[1-9][0-9]*)\Z")
SLUG = re.compile(r"[A-Za-z0-9_-]+\Z")
TYPES = {"uuid": UUID, "int": INT, "slug": SLUG}

LITERAL, TYPED, UNTYPED, REST = 0, 1, 2, 3  # lower is more specific


def parse(pattern):
    """`/a/{x:int}/**` as [(LITERAL, "a"), (TYPED, ("x", "int")), (REST, None)]."""
    segments = []
    for text in pattern.split("/")[1:]:
        if text == "**":
            segments.append((REST, None))
        elif text.startswith("{"):
            name, _, kind = text[1:-1].partition(":")
            if kind in TYPES:
                segments.append((TYPED, (name, kind)))
            else:
                segments.append((UNTYPED, (name, "str")))
        else:
            segments.append((LITERAL, text))
    return segments


def fits(kind, value):
    """Whether a decoded segment is a value of the type. No variable takes the empty segment."""
    return value != "" and (kind == "str" or TYPES[kind].match(value) is not None)


def match(pattern, segments):
    """The variables, or None. `segments` are the target's, each decoded once; a trailing slash is a last, empty one."""
    variables = {}
    for at, (kind, what) in enumerate(pattern):
        if kind == REST:
            return variables
        if at >= len(segments):
            return None
        if kind == LITERAL:
            if segments[at] != what:
                return None
        else:
            name, type_ = what
            if not fits(type_, segments[at]):
                return None
            if name != "_":
                variables[name] = segments[at]
    return variables if len(segments) == len(pattern) else None


def rank(pattern):
    """Sorts patterns that match the same target: the most specific first, segment by segment from the left."""
    return [kind for kind, _ in pattern]


def find(routes, segments):
    """The winner among `(pattern, trailing_slash, route)`, as (route, variables), or None."""
    found = []
    for pattern, either, route in routes:
        variables = match(pattern, segments)
        if variables is None and either:
            other = segments[:-1] if segments[-1] == "" else segments + [""]
            variables = match(pattern, other) if other else None
        if variables is not None:
            found.append((rank(pattern), route, variables))
    if not found:
        return None
    _, route, variables = min(found, key=lambda entry: entry[0])
    return route, variables
