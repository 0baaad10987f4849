"""Rules as an app gives them: `app.rules`. Checked, tried out on what waits, added, listed and removed, audited.

What a rule is stands in `model.rule`, what it does in `work.rules`.
"""

import logging
from typing import Any, TypedDict, Unpack

import msgspec

from forebay.control import RuleControl, whoami
from forebay.engine.facade import Facade
from forebay.engine.waiting import drive
from forebay.flow.rule import judge, ready
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.lifecycle import State
from forebay.model.options import check_known, misfit
from forebay.model.rule import Do, Rule
from forebay.produce.bounds import per_second
from forebay.produce.seal import Seal
from forebay.produce.sight import Sight
from forebay.produce.task import Task
from forebay.rules import checked, rows
from forebay.store.contract import Store
from forebay.store.records import Query

_logger = logging.getLogger("forebay.rules")

#: Messages that a preview looks at; read at a time; ids that it names.
LOOKED, PAGE, NAMED = 100_000, 1_000, 5


class RuleWays(TypedDict, total=False):
    """What a rule is about and how it goes.

    Keys:
        queue, key: only messages of these. task: only those of a task, or of the name of one.
        where: only those that meet a condition, such as 'args.to ~ "@example.com"'; see `flow.condition`.
        to: of a reroute: the queue.
        rate: of a throttle: how many, such as "5/s". concurrency: how many at a time.
        reason: why, for whoever looks.
        name: how it is called; one that says what it does, unless given.
    """

    queue: str
    task: "Task[..., Any, Any] | str"
    key: str
    where: str
    to: str
    rate: str | float
    concurrency: int
    reason: str
    name: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would be carried out on, of what waits now.

    Attributes:
        matched: messages that it would be; looked: at how many was looked; whole: whether that was all.
        unread: those that its condition cannot be judged on, and that it would leave as they are; why: of the first.
        ids: some that matched.
        warning: what is to be known before it is added; "" for nothing.
    """

    matched: int = 0
    looked: int = 0
    whole: bool = True
    unread: int = 0
    why: str = ""
    ids: tuple[str, ...] = ()
    warning: str = ""


def made(do: str, ways: RuleWays) -> Rule:
    """A rule as it was asked for.

    Raises:
        ConfigError: it cannot be carried out, or is about everything.
    """
    check_known("rules", ways, [*RuleWays.__annotations__, "lasts"])
    if do not in list(Do):
        raise ConfigError(f"rules: do is not {do!r:.100}: it is one of {', '.join(Do)}")
    given: dict[str, Any] = {name: value for name, value in ways.items() if value is not None}
    if isinstance(task := given.get("task"), Task):
        given["task"] = task.name
    if (
        given.get("where") == ""
    ):  # as of a variable of a shell that is not set: it would be about far more than was meant
        raise ConfigError(
            "where: the condition is empty: write one, or leave it out for a rule about all of the others"
        )
    try:
        terms = {**given, "do": do, "name": given.get("name", ""), "rate": per_second(given.get("rate"), "rules: rate")}
        rule = msgspec.convert(terms, Rule)
        msgspec.json.encode(rule)  # half a surrogate pair is text to Python, and to nobody else
    except (msgspec.ValidationError, UnicodeError) as error:
        raise ConfigError(f"rules: {misfit(error, given)}") from None
    checked(rule if rule.name or "name" in given else msgspec.structs.replace(rule, name="unnamed"))
    return rule


def time_of(lasts: Duration | None, what: str = "lasts") -> float | None:
    """How long a rule is to last, in seconds.

    Raises:
        ConfigError: that is no time.
    """
    left = None if lasts is None else seconds(lasts, what)
    if left is not None and not 0 < left <= 3.2e9:
        raise ConfigError(f"{what} is a time from now, 100 years at most: leave it out to keep the rule until removed")
    return left


async def unserved(store: Store, rule: Rule) -> str:
    """That a reroute leads to a queue that no living worker serves, in words; "" if that is not so."""
    if not rule.to or any(worker.left > 0 and rule.to in worker.queues for worker in await store.workers()):
        return ""
    return f"no worker serves queue {rule.to}: what goes there waits until one does"


async def preview(store: Store, seal: Seal | None, rule: Rule) -> Preview:
    """Try a rule on what waits, the oldest first; nothing is changed."""
    one, now, after, found = ready(rule), await store.now(), None, Preview(warning=await unserved(store, rule))
    while found.looked < LOOKED:
        query = Query(queue=rule.queue, task=rule.task, key=rule.key, after=after, limit=PAGE)
        page = await store.messages(query)
        for message in page:
            if message.state is State.RUNNING:
                continue
            sight = Sight(message, seal, message.attempt + 1, max(0.0, now - (message.created or now)))
            judged = judge([one], sight, now)
            found = msgspec.structs.replace(
                found,
                looked=found.looked + 1,
                matched=found.matched + (judged.rule is not None),
                unread=found.unread + len(judged.unread),
                why=found.why or next((why for _, why in judged.unread), ""),
                ids=(*found.ids, message.id)[:NAMED] if judged.rule is not None else found.ids,
            )
        if len(page) < PAGE:
            return found
        after = page[-1].id
    return msgspec.structs.replace(found, whole=False)


class Rules:
    """The rules of an app's store, which hold for all that use it.

    Workers carry out what is added, and let go what is removed, within two seconds, without being started anew.

    Attributes:
        engine, store: the app's, those of a test's memory as well.
    """

    def __init__(self, engine: Facade, store: Store, seal: Seal | None) -> None:
        self.engine, self.store, self._seal = engine, store, seal

    async def aadd(self, do: str, *, lasts: Duration | None = None, **ways: Unpack[RuleWays]) -> Rule:
        """Add a rule: "pause", "throttle", "reroute" or "drop" what it is about; as it stands.

        Args:
            lasts: how long; until it is removed, unless given.
            ways: see `RuleWays`.

        Raises:
            ConfigError: it cannot be carried out, is about everything, or there is one of its name.
        """
        rule, left = made(do, ways), time_of(lasts)
        await self.engine.open()
        added = await self._control().add(rule, left)
        if warning := await unserved(self.store, added):
            _logger.warning("rule %s: %s", added.name, warning)
        return added

    def add(self, do: str, *, lasts: Duration | None = None, **ways: Unpack[RuleWays]) -> Rule:
        """`aadd` for synchronous code."""
        return drive(self.aadd(do, lasts=lasts, **ways))

    async def apreview(self, do: str, *, lasts: Duration | None = None, **ways: Unpack[RuleWays]) -> Preview:
        """What such a rule would be carried out on, of what waits now; nothing is changed. As `aadd` in all else."""
        rule, _ = made(do, ways), time_of(lasts)
        await self.engine.open()
        return await preview(self.store, self._seal, rule)

    def preview(self, do: str, *, lasts: Duration | None = None, **ways: Unpack[RuleWays]) -> Preview:
        """`apreview` for synchronous code."""
        return drive(self.apreview(do, lasts=lasts, **ways))

    async def alist(self) -> list[Rule]:
        """The rules that hold now, by name."""
        await self.engine.open()
        found, now = await rows(self.store), await self.store.now()
        return [row.rule for row in found if not row.rule.over(now)]

    def list(self) -> list[Rule]:
        """`alist` for synchronous code."""
        return drive(self.alist())

    async def aremove(self, name: str) -> bool:
        """Remove a rule, and let go on what it held up; False if there is none of that name."""
        await self.engine.open()
        return await self._control().remove(name) is not None

    def remove(self, name: str) -> bool:
        """`aremove` for synchronous code."""
        return drive(self.aremove(name))

    def _control(self) -> RuleControl:
        return RuleControl(self.engine, self.store, whoami())
