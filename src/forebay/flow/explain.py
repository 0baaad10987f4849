"""Why a message waits, or what became of it, and what to do: from facts to sentences.

Pure. The first reason weighs most. The same sentences stand in `why`, `messages ID`, `enqueue --wait` and `doctor`.
"""

from collections.abc import Iterator, Sequence
from shlex import quote

import msgspec

from forebay.flow.breaker import UNKEPT, USED_UP
from forebay.flow.ticket import CLOSED, late
from forebay.model.duration import span
from forebay.model.gate import THROTTLE
from forebay.model.lifecycle import FINAL, State
from forebay.model.outcome import NOT_KNOWN, SNOOZED
from forebay.model.provider import BREAKER
from forebay.model.rule import rule_of
from forebay.model.topology import PRESSURE

#: Who closes the lanes of providers.
_PROVIDERS = frozenset({BREAKER, THROTTLE})

#: How the reason begins that is a provider's.
_WAITS = "waits, because "
#: Seconds from which on it is worth a word when something is expected to start.
SOON = 1.0


class Reason(msgspec.Struct, frozen=True):
    """One reason: a word for programs, a sentence, and what to do (empty: nothing)."""

    code: str
    text: str
    advice: str = ""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A closed gate that holds the queue, or a lane, a task or a key of it. `by` is who closed it, as far as is known.

    `resume` is the command that opens it, if there is one.
    """

    lane: str | None
    by: str
    reason: str
    since: float
    until: float | None = None
    task: str | None = None
    key: str | None = None
    resume: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is about all of the queue."""
        return self.lane is None and self.task is None and self.key is None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A meter that lets nothing through now: whose it is ("queue mail"), and why, in the scheduler's own words."""

    of: str
    why: str


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A living worker that serves the queue. `proved` is the seconds since it last could lease, `most` its slots when
    all is well.
    """

    worker: str
    where: str
    running: int
    concurrency: int
    state: str
    proved: float
    most: int = 0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands around a queue.

    Attributes:
        limits: meters that let nothing through now.
        providers: why those that it waits for are not asked, or not by many, in words, by name.
        paced: tasks that feed a queue which was over its mark: how many may start in a second, and which queue.
        root: the queue at the end of the chain that this one is held for by pressure, and what holds that up.
        app: the app as `-A` names it, for the advice.
        elsewhere: queues that living workers serve.
        stuck: seconds without a proof after which a worker counts as unable to lease.
    """

    now: float
    queue: str
    gates: Sequence[Closed] = ()
    limits: Sequence[Limit] = ()
    providers: Sequence[tuple[str, str]] = ()
    paced: Sequence[tuple[str, float, str]] = ()
    root: tuple[str, str] = ("", "")
    servers: Sequence[Server] = ()
    elsewhere: Sequence[str] = ()
    alive: int = 0
    app: str = "module:app"
    stuck: float = 15.0


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A message. `attempts` is how many its task has, if that is known; `holder` where its worker runs, if it lives.

    `eta` is when it is expected to start, None if nobody knows; `expires` when it is not started any more.
    """

    id: str
    state: State
    task: str = ""
    lane: str = ""
    key: str | None = None
    attempt: int = 0
    attempts: int | None = None
    due: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str | None = None
    holder: Server | None = None
    cause: str = ""
    failure: str = ""
    ahead: int = 0
    eta: float | None = None
    expires: float | None = None


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in numbers; `causes` says of how many scheduled ones it is known why they went back.

    Attributes:
        limit, full: how many may wait, and since when that has been so, seconds since the epoch; 0.0 if it is not.
        limit_bytes, size: bytes of bodies that may wait, and that do, where they are bound.
        reserved: how many of `limit` are kept for a priority above 0.
    """

    ready: int = 0
    scheduled: int = 0
    running: int = 0
    parked: int = 0
    age: float = 0.0
    limit: int | None = None
    limit_bytes: int | None = None
    size: int = 0
    reserved: int = 0
    full: float = 0.0
    causes: Sequence[tuple[str, int]] = ()


def explain(subject: Subject, place: Place) -> list[Reason]:
    """Why a message is where it is."""
    if subject.state in FINAL:
        return [_ended(subject, place.now)]
    if subject.state is State.RUNNING:
        return [_running(subject, place)]
    hurdles = list(_hurdles(place, subject))
    if subject.state is State.SCHEDULED:
        offered = NOT_KNOWN in subject.cause  # it will only be offered again
        eta = () if offered else _eta(subject, place, hurdles)
        return [_scheduled(subject, place.now), *hurdles, *eta]
    if subject.state is State.PARKED:
        parked = hurdles or [Reason("parked", f"parked: {subject.cause or 'its lane is closed'}")]
        eta = () if subject.eta is None else _eta(subject, place, parked)
        return [*parked, *_line(subject, alone=False), *eta]
    held = [*hurdles, *map(_limited, place.limits)]
    shut = hurdles or any(limit.why.endswith(CLOSED) for limit in place.limits)
    eta = () if shut and subject.eta is None else _eta(subject, place, held)
    return [*held, *([] if held else _busy(place)), *_line(subject, alone=not held), *eta]


def explain_queue(numbers: Numbers, place: Place) -> list[Reason]:
    """What holds up a queue, if anything does."""
    reasons = [_cause(text, count) for text, count in numbers.causes]
    waiting = numbers.ready + numbers.scheduled + numbers.parked
    if place.gates or waiting:
        reasons = [*_hurdles(place), *(_limited(limit) for limit in place.limits if numbers.ready), *reasons]
    if not reasons and numbers.ready:
        reasons = [*_busy(place), Reason("ready", f"{_many(numbers.ready)} ready, the oldest for {span(numbers.age)}")]
    reasons += _refuses(numbers, place, waiting)
    if not waiting:
        runs = f"; {_many(numbers.running)} running" if numbers.running else ""
        reasons.append(Reason("empty", f"nothing waits on queue {place.queue}{runs}"))
    elif numbers.scheduled and not numbers.ready and not numbers.causes:
        reasons.append(Reason("scheduled", f"{_many(numbers.scheduled)} scheduled for later"))
    return reasons


def root(numbers: Numbers, place: Place) -> str:
    """What holds up a queue that others are held for, in one sentence."""
    reasons = [*_hurdles(place), *map(_limited, place.limits), *_busy(place)]
    if reasons:
        return reasons[0].text
    return f"{_many(numbers.running)} running there, and more come than end" if numbers.running else ""


def remedy(provider: str, why: str) -> str:
    """What to do about a provider that is not asked as usual: to close one does not help against a budget."""
    if USED_UP in why:
        return "wait, or raise its budget="
    if UNKEPT in why:
        return f"start a worker whose app declares it, or `forebay providers close {provider}`: what waits for it runs"
    return f"`forebay providers close {provider}` if you know better"


def _hurdles(place: Place, subject: Subject | None = None) -> Iterator[Reason]:
    """What keeps a queue (or one message of it) from being leased."""
    if place.providers:  # workers are who asks it again
        yield from _unserved(place)
    for name, why in place.providers:
        yield Reason("provider", f"{_WAITS}{why}", remedy(name, why))
    for gate in place.gates:
        if place.providers and gate.lane is not None and gate.by in _PROVIDERS:
            continue  # it has just been told
        if subject is None or _holds(gate, subject):
            yield _closed(gate, place)
    yield from _paced(place, subject)
    if place.servers:
        yield from _unable(place)
    elif not place.providers:
        yield from _unserved(place)


def _paced(place: Place, subject: Subject | None) -> Iterator[Reason]:
    for task, pace, queue in place.paced:
        held = any(gate.by == PRESSURE and gate.task == task for gate in place.gates)
        if not held and (subject is None or subject.task == task):
            text = f"task {task} has been slowed by pressure to {pace:.3g}/s: queue {queue}, which it feeds, was full"
            yield Reason("pressure", text, f"it goes on as queue {queue} does: `forebay why {quote(queue)}`")


def _unserved(place: Place) -> Iterator[Reason]:
    if place.servers:
        return
    there = "none is running" if not place.alive else f"those running serve {', '.join(place.elsewhere) or 'nothing'}"
    start = f"start one: `forebay worker -A {quote(place.app)} -Q {quote(place.queue)}`"
    start += "" if place.alive else ", or see the log of one that hangs at its start"
    yield Reason("no-worker", f"no worker serves queue {place.queue}: {there}", start)


def _holds(gate: Closed, subject: Subject) -> bool:
    about = (gate.lane, gate.task, gate.key)
    return all(
        mine is None or mine == its for mine, its in zip(about, (subject.lane, subject.task, subject.key), strict=True)
    )


def _refuses(numbers: Numbers, place: Place, waiting: int) -> Iterator[Reason]:
    """Whom it has no room for."""
    most, kept = numbers.limit, numbers.reserved
    if numbers.full or (most is not None and waiting >= most):
        yield _full(numbers, place, waiting)
    elif most is not None and waiting >= most - kept:
        places = "the last place is" if kept == 1 else f"the last {kept:,} places are"
        text = f"only priorities above 0 get in: {_many(waiting)} waiting, and {places} kept for them by reserve="
        yield Reason("reserve", f"{text} (limit={most:,})", "others get in as workers catch up")


def _full(numbers: Numbers, place: Place, waiting: int) -> Reason:
    limit = "" if numbers.limit is None else f", and limit={numbers.limit:,}"
    if numbers.limit_bytes is not None:
        limit += f", with {numbers.size:,} bytes, and limit_bytes={numbers.limit_bytes:,}"
    since = f" for {span(place.now - numbers.full)}" if numbers.full else ""
    held = place.gates or place.providers  # more workers would only wait with those that are there
    advice = "let workers catch up, start more of them, or raise limit= and start a worker of that program"
    return Reason(
        "full",
        f"full{since}: {_many(waiting)} waiting{limit}; producers "
        "are refused, wait, or shed the oldest, as on_full= says",
        "" if held else advice,
    )


def _limited(limit: Limit) -> Reason:
    return Reason("limited", f"waits at the limit of {limit.of}: {limit.why}")


def _closed(gate: Closed, place: Place) -> Reason:
    if gate.by == PRESSURE:
        return _pressed(gate, place)
    about = f"task {gate.task}" if gate.task is not None else f"key {gate.key}" if gate.key is not None else ""
    what, by = f"{about or f'queue {place.queue}'} has been paused", f" by {gate.by}"
    if (rule := rule_of(gate.lane or "")) is not None:
        what, by = f"what rule {rule} matches in queue {place.queue} has been paused", ""
    elif gate.lane is not None:
        what = f"lane {gate.lane} of queue {place.queue} has been closed"
    why = f": {gate.reason}" if gate.reason else ""
    until = f"; it opens by itself in {span(max(0.0, gate.until - place.now))}" if gate.until is not None else ""
    text = f"{what} for {span(max(0.0, place.now - gate.since))}{by}{why}{until}"
    command = gate.resume or (f"forebay resume {quote(place.queue)}" if gate.whole else "")
    advice = f"`{command}` when it may go on" if command else ""
    return Reason("paused" if gate.lane is None else "parked", text, advice)


def _pressed(gate: Closed, place: Place) -> Reason:
    what = f"task {gate.task}" if gate.task is not None else f"queue {place.queue}"
    text = f"{what} has been held by pressure: {gate.reason}; for {span(max(0.0, place.now - gate.since))}"
    queue, cause = place.root
    if not cause:
        return Reason("pressure", text, "it goes on by itself: `forebay why` of that queue says what holds it up")
    text += f"; the cause is at queue {queue}: {cause.removeprefix(_WAITS)}"
    return Reason("pressure", text, f"it goes on by itself when queue {queue} does: `forebay why {quote(queue)}`")


def _unable(place: Place) -> Iterator[Reason]:
    leaving = [one for one in place.servers if one.state != "running"]
    stuck = [one for one in place.servers if one.proved > place.stuck]
    if len(leaving) == len(place.servers):
        text = f"every worker of queue {place.queue} is shutting down"
        yield Reason("leaving", text, f"start one: `forebay worker -A {quote(place.app)} -Q {quote(place.queue)}`")
    elif len(stuck) == len(place.servers):
        least = min(one.proved for one in stuck)
        text = f"no worker of queue {place.queue} has been able to lease for {span(least)}"
        yield Reason("stuck", text, "`forebay doctor` says which process, and what to do")


def _busy(place: Place) -> list[Reason]:
    running, slots = (sum(getattr(one, name) for one in place.servers) for name in ("running", "concurrency"))
    if not slots or running < slots:
        return []
    text = f"every worker of queue {place.queue} is busy: {running:,} of {slots:,} slots"
    most = sum(max(one.most, one.concurrency) for one in place.servers)
    if slots < most:
        text += f", lowered from {most:,} since tasks time out or take longer than usual"
        return [Reason("busy", text, "look at what they wait for: more workers would ask more of it")]
    return [Reason("busy", text, "more processes (-p), a higher -c, or wait")]


def _line(subject: Subject, *, alone: bool) -> Iterator[Reason]:
    if subject.ahead:
        others = "1 other is" if subject.ahead == 1 else f"{subject.ahead:,} others are"
        yield Reason("behind", f"{others} ahead of it")
    elif alone:
        its = "" if subject.key is None else ", in a fair queue one of the share of its key"
        yield Reason("next", f"next in line: a worker takes it as soon as a slot is free{its}")


def _eta(subject: Subject, place: Place, held: Sequence[Reason]) -> Iterator[Reason]:
    """When it is expected to start, unless that is at once; `held` is what is known to hold it up."""
    if subject.eta is None:
        if subject.ahead:
            text = "nobody knows when it starts: nothing of its queue has ended yet, to tell how long one takes"
            yield Reason("eta", text)
        return
    wait = subject.eta - place.now
    if subject.expires is not None and subject.expires < subject.eta:
        left = max(0.0, subject.expires - place.now)
        text = f"it is expected to start in {span(wait)}, and expires {span(left)} from now"
        yield Reason("late", text, late(subject.due, subject.expires, held=bool(held)))
    elif wait >= SOON:
        yield Reason("eta", f"it is expected to start in {span(wait)}")


def _scheduled(subject: Subject, now: float) -> Reason:
    due = "now" if subject.due is None or subject.due <= now else f"in {span(subject.due - now)}"
    if NOT_KNOWN in subject.cause:
        advice = "start a worker of the version that has this task, or cancel it"
        return Reason("unknown-task", f"{subject.cause}; offered again {due}", advice)
    if subject.cause.startswith(SNOOZED):
        return Reason("snoozed", f"{subject.cause}; it begins again {due}")
    if subject.failure and subject.attempt:
        number = f"{subject.attempt}" + (f" of {subject.attempts}" if subject.attempts else "")
        return Reason("retry", f"attempt {number} failed ({subject.failure}); the next one is due {due}")
    went = f"{subject.cause}; " if subject.cause else ""
    return Reason("scheduled", f"{went}scheduled: due {due}")


def _cause(text: str, count: int) -> Reason:
    if NOT_KNOWN in text:
        return Reason("unknown-task", f"{_many(count)} handed back: {text}", "start a worker that has this task")
    if text.startswith(SNOOZED):
        return Reason("snoozed", f"{_many(count)} snoozed by their task")
    return Reason("handed-back", f"{_many(count)} handed back: {text}")


def _running(subject: Subject, place: Place) -> Reason:
    since = "" if subject.started is None else f" for {span(max(0.0, place.now - subject.started))}"
    text = f"running{since}, attempt {subject.attempt}, "
    if subject.holder is None:
        gone = f"on worker {subject.worker}, whose lease ran out"
        return Reason("lost", text + gone, "any running worker makes it ready again within a second or so")
    holder = subject.holder
    silent = f", which has not been able to lease for {span(holder.proved)}" if holder.proved > place.stuck else ""
    return Reason("running", f"{text}on worker {subject.worker} ({holder.where}){silent}")


def _ended(subject: Subject, now: float) -> Reason:
    ago = "" if subject.finished is None else f" {span(max(0.0, now - subject.finished))} ago"
    text = f"{subject.state}{ago}, attempt {subject.attempt}" + (f": {subject.cause}" if subject.cause else "")
    dead = subject.state is State.DEAD
    return Reason(
        str(subject.state), text, f"`forebay dead redrive {quote(subject.id)}` to run it again" if dead else ""
    )


def _many(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"
