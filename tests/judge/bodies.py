"""What a body says of organizations and objects (docs/policy.md, "Bodies"): a place in JSON, and what stands there.

A body is None, ("json", VALUE) or ("text", TEXT): the latter is of a type that nothing is read from.
"""

import targets

SHARED = object()
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")


class Unreadable(Exception):
    """Status and reason code."""

    def __init__(self, status, code):
        super().__init__(status, code)
        self.status, self.code = status, code


def steps(place):
    """`organization`, or the steps of a JSON pointer."""
    return place[1:].split("/") if place.startswith("/") else [place]


def walk(value, way, is_element, found, faults):
    """Adds what stands at the end of the way, each value once: a text, or SHARED."""
    if not way:
        if value is None:
            say = SHARED
        elif isinstance(value, bool) or not isinstance(value, (str, int)):
            faults.append((400, "org_missing"))
            return
        else:
            say = str(value)
        if not any(known is say or known == say for known in found):
            found.append(say)
        return
    step, rest = way[0], way[1:]
    there = False
    if isinstance(value, dict):
        # `postern test` writes members in the order of their names; of two faults the first is told.
        for key, inner in sorted(value.items()):
            if key == step:
                there = True
                walk(inner, rest, is_element, found, faults)
            elif targets.folded(key) == targets.folded(step):
                faults.append((400, "ambiguous"))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            if step == "*" or step == str(at):
                there = True
                walk(inner, rest, is_element or step == "*", found, faults)
    # An element that names none says null.
    if not there and is_element:
        walk(None, [], True, found, faults)


def answered(answer, place):
    """What an answer says at a place: a text, or SHARED, or None; what it says in two ways cannot be read."""
    found, faults = [], []
    walk(answer, steps(place), False, found, faults)
    if faults or len(found) > 1:
        raise Unreadable(502, "answer_unreadable")
    return found[0] if found else None


def said(body, place):
    """What a body says at a place: a list of texts and SHARED, empty where it says nothing."""
    if body is None:
        return []
    kind, value = body
    if kind != "json":
        raise Unreadable(415, "body_type")
    found, faults = [], []
    walk(value, steps(place), False, found, faults)
    if faults:
        raise Unreadable(*faults[0])
    return found
