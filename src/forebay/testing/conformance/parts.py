"""The parts of the suite: which files hold an engine to what, and what an engine without a part has to declare.

The live verbs are for every engine. Each other part hangs on a capability: an engine (with the store beside it, if it
has one) that has not the verbs of a part and says so is not held to them; one that has the verbs is, whatever it says.
"""

from typing import Any, NamedTuple, cast

import pytest

from forebay.engine.backend import Whole
from forebay.engine.contract import Engine
from forebay.store.contract import Audits, DeadLetters, Gates, Inspects, Meters, Results, Schedules, Steering, Workers


class Part(NamedTuple):
    """One part.

    Attributes:
        capability: what an engine without these verbs declares as False; "" if there is no engine without them.
        files: of the suite, whose tests are about nothing else.
        roles: whose verbs it consists of.
    """

    name: str
    capability: str
    files: tuple[str, ...]
    roles: tuple[type, ...]


PARTS = (
    Part(
        "live verbs",
        "",
        (
            *("alone", "declare", "publish", "lease", "extend", "settle", "recover", "wait", "depth"),
            *("carried", "debounce", "concurrency", "driving", "struck", "processes", "sentences"),
        ),
        (Engine,),
    ),
    Part("browsing", "browse", ("cancel", "many", "ahead", "ticket"), (Inspects,)),
    Part("ledger", "results", ("results", "story", "dead"), (Results, DeadLetters)),
    Part("store", "results", ("gates", "schedules", "audits"), (Gates, Schedules, Workers, Audits)),
    Part(
        "lanes and meters",
        "meters",
        ("lanes", "meters", "changed_meters", "accounts", "budgets", "changes", "once", "steering", "rerouted"),
        (Meters, Steering),
    ),
    Part("fair queues", "fair", ("fair",), ()),
    Part("newest first", "lifo", ("lifo",), ()),
    Part("queues with a limit", "limits", ("bounded", "reserve", "told", "weighed"), ()),
    Part("transactions", "transacts", ("transacts",), ()),
    Part("moving", "moves", ("moves",), ()),
)

_BY_VERB = {verb: part for part in PARTS for role in part.roles for verb in dir(role) if not verb.startswith("_")}


def part_of(module: str) -> Part:
    """The part that a module of the suite belongs to.

    Raises:
        StopIteration: to none; name it in `PARTS`.
    """
    file = module.rpartition(".")[2]
    return next(part for part in PARTS if file in part.files)


class Partly:
    """A backend that lacks some verbs: asking for one ends the test, skipped if that was declared, and else failed."""

    def __init__(self, backend: object) -> None:
        self._backend = backend

    def __getattr__(self, verb: str) -> Any:
        part = _BY_VERB.get(verb)
        if part is None or hasattr(self._backend, verb):
            return getattr(self._backend, verb)
        return lacks(self._backend, part, verb)


def lacks(backend: object, part: Part, verb: str) -> Any:
    """End a test that needs a part which is not there."""
    capability = part.capability
    if capability and not getattr(cast("Whole", backend).capabilities, capability):
        pytest.skip(f"{part.name}: the engine declares {capability}=False")
    pytest.fail(f"the engine has no {verb}, and " + (f"declares {capability}=True" if capability else "has to have it"))


def as_declared(backend: object) -> Whole:
    """The backend itself if it has every verb, else one that knows what it lacks."""
    whole = all(hasattr(backend, verb) for verb in _BY_VERB)
    return cast("Whole", backend if whole else Partly(backend))
