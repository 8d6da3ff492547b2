"""`when`: a small part of CEL as a tree, with its text and its value (docs/policy.md, "Conditions"; cel.dev for the rest).

A tree is a tuple. ("lit", value) · ("get", "user", "email") · ("var", NAME) of path · ("header", NAME) · ("query", NAME) ·
("has_header", NAME) · ("has_query", NAME) · ("has", ROOT, FIELD) · ("not", a) · ("and", a, b) · ("or", a, b) ·
("eq" | "ne" | "lt" | "ge", a, b) · ("in", a, [texts]) · ("within", [networks]) · ("starts", a, text) · ("contains", a, text)
"""

import ipaddress
import json


class Failed(Exception):
    """The evaluation is an error, and that refuses."""


def text(tree):
    kind = tree[0]
    if kind == "lit":
        return json.dumps(tree[1])
    if kind == "get":
        return f"{tree[1]}.{tree[2]}"
    if kind == "var":
        return f"path.{tree[1]}"
    if kind == "header":
        return f'request.headers["{tree[1]}"]'
    if kind == "query":
        return f'request.query["{tree[1]}"]'
    if kind == "has_header":
        return f'"{tree[1]}" in request.headers'
    if kind == "has_query":
        return f'"{tree[1]}" in request.query'
    if kind == "has":
        return f"has({tree[1]}.{tree[2]})"
    if kind == "not":
        return f"!({text(tree[1])})"
    if kind in ("and", "or"):
        return f"({text(tree[1])} {'&&' if kind == 'and' else '||'} {text(tree[2])})"
    if kind in ("eq", "ne", "lt", "ge"):
        sign = {"eq": "==", "ne": "!=", "lt": "<", "ge": ">="}[kind]
        return f"({text(tree[1])} {sign} {text(tree[2])})"
    if kind == "in":
        return f"({text(tree[1])} in {json.dumps(tree[2])})"
    if kind == "within":
        return f"client.within({json.dumps(tree[1])})"
    if kind == "starts":
        return f"{text(tree[1])}.startsWith({json.dumps(tree[2])})"
    if kind == "contains":
        return f"{text(tree[1])}.contains({json.dumps(tree[2])})"
    raise AssertionError(kind)


def names(tree):
    """The headers and parameters that it names, as ("header" | "query", NAME)."""
    if tree[0] in ("header", "has_header"):
        yield "header", tree[1]
    elif tree[0] in ("query", "has_query"):
        yield "query", tree[1]
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from names(part)


def value(tree, facts):
    """`facts`: {"request": {...}, "client": {...}, "user": {...} or None, "org": {...} or None, "path": {...}}; what is not there is None."""
    kind = tree[0]
    if kind == "lit":
        return tree[1]
    if kind == "get":
        root = facts[tree[1]]
        if root is None or root.get(tree[2]) is None:
            raise Failed
        return root[tree[2]]
    if kind == "var":
        return facts["path"][tree[1]]
    if kind in ("header", "query"):
        found = facts["request"][{"header": "headers", "query": "query"}[kind]].get(tree[1])
        if found is None:
            raise Failed
        return found
    if kind in ("has_header", "has_query"):
        return tree[1] in facts["request"][{"has_header": "headers", "has_query": "query"}[kind]]
    if kind == "has":
        root = facts[tree[1]]
        return root is not None and root.get(tree[2]) is not None
    if kind == "within":
        address = ipaddress.ip_address(value(("get", "client", "address"), facts))
        return any(address in ipaddress.ip_network(network) for network in tree[1])
    if kind == "not":
        return not value(tree[1], facts)
    if kind in ("and", "or"):
        # Both are commutative in the face of errors: one side that decides is enough.
        decides = kind == "or"
        failed = None
        for side in tree[1:]:
            try:
                if value(side, facts) is decides:
                    return decides
            except Failed as error:
                failed = error
        if failed:
            raise failed
        return not decides
    left, right = value(tree[1], facts), tree[2] if kind in ("in", "starts", "contains") else value(tree[2], facts)
    return {
        "eq": lambda: left == right,
        "ne": lambda: left != right,
        "lt": lambda: left < right,
        "ge": lambda: left >= right,
        "in": lambda: left in right,
        "starts": lambda: left.startswith(right),
        "contains": lambda: right in left,
    }[kind]()


def holds(tree, facts):
    try:
        return value(tree, facts) is True
    except Failed:
        return False
