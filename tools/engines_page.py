"""Prints docs/reference/engines.md from what the engines say of themselves.

A row for each capability, with the sentence that explains it in the code; a column for each engine.
"""

import re
import sys

import msgspec

from forebay.engine.capabilities import HOUSE, Capabilities

INTRODUCTION = """# Engines

What each engine has. `tools/engines_page.py` makes this page from the data that Forebay reads when it opens an app.

An app asks for what it uses: a task with `priority=` asks for priorities, one with `unique=` for unique keys. If its
engine has not what it asks for, opening it is refused with one `ConfigError`, which names the task, queue or schedule,
and the engines that have it. An option of a single message (`using(delay=60)`) is refused when it is enqueued. Nothing
is accepted and then ignored.
"""


def page() -> str:
    """The whole page."""
    header = ["", *(f"`{name}://`" for name in HOUSE), "meaning"]
    rows = [
        [f"`{name}`", *(shown(getattr(has, name)) for has in HOUSE.values()), meaning]
        for name, meaning in meanings().items()
    ]
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def meanings() -> dict[str, str]:
    """What each capability means, as its class says."""
    text = (Capabilities.__doc__ or "").partition("Attributes:")[2]
    found = re.findall(r"^ +(\w+): (.+?)(?=^ +\w+: |\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: marked(" ".join(meaning.split()).rstrip(".")) for name, meaning in found}


def marked(meaning: str) -> str:
    """Possible values stand in quotes in the code, and as code on the page."""
    return re.sub(r'"(\w+)"', r"`\1`", meaning)


def shown(value: object) -> str:
    """A value for people."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    assert list(meanings()) == [field.name for field in msgspec.structs.fields(Capabilities)]
    sys.stdout.write(page())
