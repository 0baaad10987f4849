"""The model and the system under test: a memory engine and a SQLite engine on one clock, told the same.

`agree` makes a call on both and compares the answers; what may rightly differ (receipts, the order in which lanes take
turns) is left out by `view`, and by nothing else. Does not say which one is right.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from forebay.config import Settings
from forebay.engine.contract import Depth, Leased, Receipt, Recovered
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.delivery import Delivery
from forebay.model.errors import ForebayError
from forebay.model.meter import Meter
from forebay.store.records import Found, WorkerRow
from forebay.testing import ManualClock


class Twins:
    """Both engines, opened, and their clock.

    Attributes:
        newest: a queue runs the newest first, or did: in which order messages are listed is an engine's own affair.
    """

    newest = False

    def __init__(self) -> None:
        self.clock, self.closing = ManualClock(), ExitStack()
        with self.closing:
            self.model = build(Settings(url="memory://"), self.clock)
            self.system = build(self.settings(), self.clock)
            for side in (self.model, self.system):
                self.closing.callback(lambda side: drive(side.close()), side)
                drive(side.open())
            self.closing = self.closing.pop_all()

    def settings(self) -> Settings:
        """Of the system under test; whatever has to be put away goes to `closing`."""
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a disk only costs time: nothing here dies
        folder = tempfile.TemporaryDirectory(prefix="forebay-twins-", dir=memory, ignore_cleanup_errors=True)
        return Settings(url=f"sqlite:///{self.closing.enter_context(folder)}/queue.db", durability="normal")

    def close(self) -> None:
        """Close both, and put away what they kept."""
        self.closing.close()

    def view(self, value: Any) -> Any:
        """What is compared of an answer."""
        if self.newest and isinstance(value, list) and all(isinstance(one, Found | Delivery) for one in value):
            value = sorted(value, key=lambda one: one.id)
        return view(value)

    def agree(self, verb: str, *args: Any) -> tuple[Any, Any]:
        """The answers of model and system to the same call, once they were seen to be the same."""
        return self.agree_on(verb, args, args)

    def agree_on(self, verb: str, model: Sequence[Any], system: Sequence[Any]) -> tuple[Any, Any]:
        """`agree` for a verb that takes what each engine said before."""
        expected, got = answer(self.model, verb, model), answer(self.system, verb, system)
        assert self.view(got) == self.view(expected), f"{verb}: the engine (left) and memory (right) differ"
        return expected, got


def answer(side: Any, verb: str, args: Sequence[Any]) -> Any:
    """What an engine says; one of our errors is an answer too. Named arguments come as a pair of a tuple and a dict."""
    named: dict[str, Any] = {}
    if len(args) == 2 and isinstance(args[0], tuple) and isinstance(args[1], dict):
        args, named = args
    try:
        return drive(getattr(side, verb)(*args, **named))
    except ForebayError as error:
        return type(error)


def view(value: Any) -> Any:
    """An answer without what may rightly differ between engines."""
    if isinstance(value, list):
        return [view(item) for item in value]
    return _VIEWS[type(value)](value) if type(value) in _VIEWS else value


def _fields(value: msgspec.Struct, *without: str) -> dict[str, Any]:
    return {name: item for name, item in msgspec.structs.asdict(value).items() if name not in without}


def _delivery(delivery: Delivery) -> Any:
    return {**_fields(delivery, "receipt", "fence"), "headers": delivery.headers or None}


def _leased(leased: Leased) -> Any:
    return {"deliveries": _by_lane(leased.deliveries), "cancelled": set(leased.cancelled)}


def _by_lane(deliveries: Sequence[Delivery]) -> dict[tuple[str, ...], list[Any]]:
    """In order within each lane; in which order lanes take their turns is an engine's own affair.

    What a queue may tell apart (task, key) counts as a lane, whether it does so at present or not.
    """
    lanes: dict[tuple[str, ...], list[Any]] = {}
    for delivery in deliveries:
        place = (delivery.queue, delivery.lane, delivery.task, delivery.key or "")
        lanes.setdefault(place, []).append(view(delivery))
    return lanes


def _found(found: Found) -> dict[str, Any]:
    return {**_fields(found, "headers"), "headers": found.headers or None}


_VIEWS: dict[type, Callable[[Any], Any]] = {
    Found: _found,
    Receipt: lambda receipt: _fields(receipt, "retry_after"),
    Delivery: _delivery,
    Leased: _leased,
    Recovered: lambda recovered: {**_fields(recovered), "workers": set(recovered.workers)},
    Depth: lambda depth: {**_fields(depth, "lanes", "full"), "age": round(depth.age, 3), "held": round(depth.held, 3)},
    Meter: lambda meter: _fields(meter, "tat"),  # one that is over may be forgotten
    WorkerRow: lambda row: {**_fields(row, "host"), "queues": tuple(row.queues), "left": round(row.left, 3)},
}
