"""Which items of a list its caller gets, and what goes on around them (docs/policy.md, "Lists"). An answer is JSON; so is what is left of it."""

import bodies

DROPPED = object()
# What stands around a list and tells nothing of what is in it.
HARMLESS = ("type", "page", "page_size", "per_page", "limit", "offset", "version", "protocol", "revision", "metric", "label", "crs")
TOTALS = ("count", "total", "total_pages", "meta", "next")


class Unreadable(Exception):
    """502 `answer_unreadable`."""


def way(pointer):
    return pointer[1:].split("/") if pointer else []


def kept(answer, listed, whose, totals=False):
    """The answer with the items that `whose` says True of: it is told what an item says of its organization (a text, SHARED or DROPPED)."""
    owner = listed["org"]
    pointer = owner["key"] if isinstance(owner, dict) else owner.partition(" as ")[0]
    passing = set(HARMLESS) | set(listed.get("envelope", [])) | set(TOTALS if totals else [])

    def walk(value, steps):
        if not steps:
            if not isinstance(value, list):
                raise Unreadable
            return [item for item in value if whose(said(item, way(pointer)))]
        if not isinstance(value, dict) or steps[0] not in value:
            raise Unreadable
        return {
            name: walk(inner, steps[1:]) if name == steps[0] else inner
            for name, inner in value.items() if name == steps[0] or name in passing
        }

    return walk(answer, way(listed["items"]))


def said(item, steps):
    """What an item says at a place: a text, SHARED where it says null, DROPPED where it says nothing that could be a name."""
    for step in steps:
        if not isinstance(item, dict) or step not in item:
            return DROPPED
        item = item[step]
    if item is None:
        return bodies.SHARED
    if isinstance(item, bool) or not isinstance(item, (str, int)):
        return DROPPED
    return str(item)


def empty(listed):
    """The list without items, as it is where the service is not asked."""
    made = []
    for step in reversed(way(listed["items"])):
        made = {step: made}
    return made
