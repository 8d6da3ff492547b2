"""Request targets: which are refused, and what the others say (docs/policy.md, "Patterns")."""

import re
from urllib.parse import unquote_to_bytes

# RFC 3986: pchar without ";", and "/"; what else may stand is said in docs/policy.md.
PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@%/|\[\]^-]*\Z")


def parse(target):
    """The segments of the path, each decoded once, or None where the target is refused."""
    path, _, query = target.partition("?")
    if not path.startswith("/") or "#" in target or not PATH.match(path):
        return None
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        return None
    segments = []
    for at, raw in enumerate(path[1:].split("/")):
        last = at == path.count("/") - 1
        data = unquote_to_bytes(raw)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if raw == "" and not last:
            return None
        if text in (".", "..") or any(c in text for c in "/\\;") or any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text):
            return None
        if re.search(r"%[0-9A-Fa-f]{2}", text):
            return None
        segments.append(text)
    return segments


def all_parameters(target):
    query = target.partition("?")[2]
    for piece in query.split("&"):
        if piece:
            name, _, text = piece.partition("=")
            yield decoded(name), decoded(text)


def decoded(text):
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def folded(name):
    """Names of parameters are compared without case, without all that is no letter or digit, without what follows a bracket, and
    decoded up to three times."""
    for _ in range(3):
        name = decoded(name)
    name = name.lstrip("[").split("[")[0]
    return "".join(c for c in name.lower() if c.isalnum())


def parameters(target, name):
    """The values of a parameter: [] or [VALUE]; None where it is repeated or there in another spelling."""
    found = [(n, v) for n, v in all_parameters(target) if folded(n) == folded(name)]
    if len(found) > 1 or (found and found[0][0] != name):
        return None
    return [v for _, v in found]


def rewritten(target, rewrite):
    """The prefix is as many segments as it has, however they are spelt; the rest stays byte for byte."""
    path, mark, query = target.partition("?")
    strip = rewrite.get("strip_prefix", "")
    rest = path.split("/")[1 + strip.count("/"):]
    path = rewrite.get("add_prefix", "") + "".join("/" + segment for segment in rest)
    return (path or "/") + mark + query


def visible(text, literal=False):
    """Visible ASCII and inner blanks as they are; everything else, "%" and ",", as percent-encoded UTF-8."""
    if literal:
        return text
    result = "".join(
        c if (0x21 <= ord(c) <= 0x7E and c not in "%,") or c == " " else "".join(f"%{b:02X}" for b in c.encode())
        for c in text
    )
    return result
