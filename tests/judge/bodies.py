"""What a body says of organizations and objects (docs/policy.md, "Bodies"): a place in JSON, and what stands there.

A body is None, ("json", VALUE), ("form" | "multipart", [(NAME, VALUE)]) with both as they are written, or ("text", TEXT), of a type that nothing is read from.
"""

import json
import re

import targets

BOUNDARY = "judge"

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


def written(body):
    """The body as it is sent, and its media type."""
    kind, value = body
    if kind == "json":
        # As `postern test` writes it: members in the order of their names.
        return json.dumps(value, sort_keys=True, ensure_ascii=False), "application/json"
    if kind == "form":
        return "&".join(f"{name}={text}" for name, text in value), "application/x-www-form-urlencoded"
    if kind == "multipart":
        parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in value]
        return "".join(parts) + f"--{BOUNDARY}--\r\n", f"multipart/form-data; boundary={BOUNDARY}"
    return value, "text/plain"


def fields(body, name):
    """The values of a form's field: an empty one is null. What is there in another spelling, or cannot be read, is refused."""
    kind, pairs = body
    decoded = targets.decoded if kind == "form" else str
    found = []
    for written_name, text in pairs:
        if targets.folded(written_name) != targets.folded(name):
            continue
        if decoded(written_name) != name or kind == "form" and re.search(r"%(?![0-9A-Fa-f]{2})", text):
            raise Unreadable(400, "ambiguous")
        found.append(decoded(text) or SHARED)
    return found


def pointed(body, place):
    """What a body says at the place of a field that points at objects: for each element that `*` leads to (or for the body), None where
    nothing is sent, or the list of the texts that stand there, and SHARED where it is null; an empty list is as null."""
    if body is None:
        return [None]
    kind, value = body
    if kind == "text":
        raise Unreadable(415, "body_type")
    way = steps(place)
    if kind != "json":
        texts = fields(body, way[0]) if len(way) == 1 else []
        return [texts or None]
    found = []
    gather(value, way, found)
    # A list without elements sends nothing.
    return found or [None]


def gather(value, way, found, is_element=False):
    if not way:
        texts = []
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, bool) or not (inner is None or isinstance(inner, (str, int))):
                raise Unreadable(400, "body_invalid")
            texts.append(SHARED if inner is None else str(inner))
        found.append(texts or [SHARED])
        return
    step, rest = way[0], way[1:]
    if isinstance(value, dict):
        if any(key != step and targets.folded(key) == targets.folded(step) for key in value):
            raise Unreadable(400, "ambiguous")
        if step in value:
            return gather(value[step], rest, found, is_element)
    if isinstance(value, list) and step == "*":
        for inner in value:
            gather(inner, rest, found, True)
        return
    # An element that names none says null.
    found.append([SHARED] if is_element else None)


def elements(value, way, found):
    """What each element that `*` leads to says of its organization: a text, or None."""
    if not way:
        found.append(None if value is None else str(value))
    elif way[0] == "*":
        for inner in value if isinstance(value, list) else []:
            elements(inner, way[1:], found)
    elif isinstance(value, dict) and way[0] in value:
        elements(value[way[0]], way[1:], found)
    elif "*" not in way:
        found.append(None)


def said(body, place):
    """What a body says at a place: a list of texts and SHARED, empty where it says nothing."""
    if body is None:
        return []
    kind, value = body
    if kind == "text":
        raise Unreadable(415, "body_type")
    if kind != "json":
        way = steps(place)
        found = fields(body, way[0]) if len(way) == 1 else []
        if len(found) > 1:
            raise Unreadable(400, "ambiguous")
        return found
    found, faults = [], []
    walk(value, steps(place), False, found, faults)
    if faults:
        raise Unreadable(*faults[0])
    return found
