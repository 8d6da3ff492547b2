"""Where an answer of the naked OpenWISP behind postern may differ from that of OpenWISP as it is: by the rows of `differences.txt`."""
import re
from collections import namedtuple
from pathlib import Path

Answer = namedtuple("Answer", "status document code")
Row = namedtuple("Row", "before after request who whose why")


def rows():
    for line in Path(__file__).with_name("differences.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            before, after, request, who, whose, why = (part.strip() for part in line.split(" | "))
            yield Row(*(re.compile(part) for part in (before, after, request)), who.split(), whose.split(), why)


ROWS = list(rows())


def said(answer):
    return f"{answer.status} {answer.code}" if answer.code else str(answer.status)


def explanation(request, guarded, gate):
    """The first row that has the difference."""
    after = "other" if guarded.status == gate.status else said(gate)
    for row in ROWS:
        if (
            row.before.fullmatch(said(guarded))
            and row.after.fullmatch(after)
            and row.request.search(f"{request.method} {request.pattern}")
            and ("*" in row.who or request.who in row.who)
            and ("*" in row.whose or request.owner in row.whose)
        ):
            return row
    return None
