"""The scenarios that strike SQLite's own files. The one place in this folder that knows an engine."""

import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from forebay.config import Settings
from forebay.engine.sqlite.backup import backup
from forebay.model.errors import EngineError
from forebay.testing.faults import faulty
from forebay.testing.faults.run import Scenario
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import events
from forebay.testing.powerloss.run import Verdict, run_seed

#: How another SQLite library visits a file; and how many messages are published before a log is lost.
_LOOKS, _SOME = ("look", "read-only", "copy"), 30


def power_loss(trial: Trial) -> None:
    """T10: the power goes, and what was not synced is lost, torn and out of order; see `forebay.testing.powerloss`."""
    verdict = Verdict()
    for seed in range(trial.seed * trial.many, (trial.seed + 1) * trial.many):
        run_seed(seed, "full", verdict)
        run_seed(seed, "normal", verdict)
    trial.notes.append(f"{trial.many} seeds at full and {trial.many} at normal durability")
    if verdict.violations:
        raise Broken("\n".join(str(violation) for violation in verdict.violations[:5]))


def bad_disk(trial: Trial) -> None:
    """T12: one write or sync in fifty fails, under workers and a producer; nothing is promised that does not hold."""
    errors, trial.lease = trial.folder / "errors", 4.0  # heartbeats fail too
    trial.wrap(faulty.WRAPPER, **{faulty.OPTION: str(errors)})
    trial.fleet(concurrency=4)
    trial.send("work", 20, seconds=0.01)
    trial.until("the fleet works", lambda: trial.events(events.Started))
    trial.fault("disk", "fails one write or sync in fifty")
    errors.write_text("0.02")
    failed = sum(not _try_to_publish(trial) for _ in range(150))
    errors.unlink()
    trial.fault("disk", "is sound again")
    if not failed:
        raise Broken("no publish failed: the fault did not strike")
    trial.send("work", 10)
    trial.drain()


def _try_to_publish(trial: Trial) -> bool:
    try:
        trial.send("work", 1)
    except EngineError:
        return False
    return True


def index_gone(trial: Trial) -> None:
    """T11: the index of the log (-shm) is deleted under a crashed file: it is made anew, and nothing is missing."""
    _crash(trial)
    Path(f"{_file(trial)}-shm").unlink()
    trial.fault("unlink", "-shm")
    _works_off(trial)


def log_cut(trial: Trial) -> None:
    """T11: a third of the log is cut off: noticed when it is opened."""
    _damaged(trial, lambda log: log[: len(log) * 2 // 3])


def log_flipped(trial: Trial) -> None:
    """T11: one bit in the middle of the log flips, at which SQLite alone would drop the rest without a word."""

    def flip(log: bytes) -> bytes:
        at = trial.random.randrange(len(log) // 3, len(log) * 2 // 3)
        return log[:at] + bytes([log[at] ^ 1 << trial.random.randrange(8)]) + log[at + 1 :]

    _damaged(trial, flip)


def visited(trial: Trial) -> None:
    """T35: another SQLite library looks at the file and copies it, in a process that publishes and is killed then."""
    _visited(trial, _LOOKS * 7)


def few_visits(trial: Trial) -> None:
    """The short form of T35."""
    _visited(trial, _LOOKS)


def two_apps(trial: Trial) -> None:
    """T36: a second app of the process opens and closes the file, while the first one publishes until it is killed.

    Copies are made meanwhile, and each has all that was accepted before it.
    """
    _visited(trial, ("apps",) * 20, copies=True)


def few_apps(trial: Trial) -> None:
    """The short form of T36."""
    _visited(trial, ("apps",) * 2, copies=True)


def _visited(trial: Trial, sorts: Sequence[str], *, copies: bool = False) -> None:
    """Kill a process for each sort at a random moment: all that was accepted is there, and the file opens."""
    for turn, sort in enumerate(sorts):
        first = turn * 1_000
        arguments = ["-m", "forebay.testing.faults.peek", sort, str(trial.seed), str(first), "1000"]
        producer = trial.start(arguments)
        trial.until("it publishes", lambda: any(e.pid == producer.pid for e in trial.events(events.Published)))  # noqa: B023
        if copies:
            _copy(trial, trial.folder / f"copy-{turn}.db")
        trial.pause(0.0, 0.3)
        trial.fault("SIGKILL", f"process {producer.pid}, beside visits: {sort}")
        producer.kill()
        if lost := _published(trial) - _there(trial):
            raise Broken(f"{len(lost)} accepted messages are gone after {sort}")
    there = _there(trial)
    trial.expect([one.id for one in trial.messages("work", 1_000 * len(sorts)) if one.id in there])
    _works_off(trial)


def _copy(trial: Trial, target: Path) -> None:
    """A copy while it is written: whole, with all that was accepted before it was begun."""
    before = _published(trial)
    backup(Settings(url=f"sqlite:///{_file(trial)}"), target)
    db = apsw.Connection(str(target))
    try:
        there = {id_ for (id_,) in db.execute("select id from message")}
    finally:
        db.close()
    if lost := before - there:
        raise Broken(f"{len(lost)} accepted messages are not in the copy")
    target.unlink()


def _published(trial: Trial) -> set[str]:
    """What was accepted, as its producers were told."""
    return {id_ for event in trial.events(events.Published) for id_, _ in event.receipts}


def _there(trial: Trial) -> set[str]:
    asked = [item.id for event in trial.events(events.Publishing) for item in event.items]
    return {found.id for found in trial.find(asked)}


def log_lost(trial: Trial) -> None:
    """T37: the log is deleted under a process, which ends in good order, or is killed."""
    _log_lost(trial, 20)


def few_lost_logs(trial: Trial) -> None:
    """The short form of T37."""
    _log_lost(trial, 2)


def _log_lost(trial: Trial, tries: int) -> None:
    """After an end in good order all is there; after a kill the file is refused until its log comes back, as a copy."""
    for turn in range(tries):
        for end in (signal.SIGINT, signal.SIGKILL):
            _lose_log(trial, (2 * turn + (end is signal.SIGKILL)) * _SOME, end)
    _works_off(trial)


def _lose_log(trial: Trial, first: int, end: signal.Signals) -> None:
    producer = trial.start(["-m", "forebay.testing.faults.produce", str(trial.seed), str(first), str(_SOME)])
    trial.expect([one.id for one in trial.messages("work", _SOME)])
    trial.until(f"{_SOME} more are published", lambda: len(trial.events(events.Published)) == first + _SOME)
    file, log, copy = _file(trial), Path(f"{_file(trial)}-wal"), trial.folder / "copy"
    shutil.copy(log, copy)  # nobody writes now
    log.unlink()
    trial.fault("unlink", f"-wal, then {end.name} for process {producer.pid}")
    _has_to_be_refused(trial)
    producer.signal(end)
    producer.wait()
    if end is signal.SIGKILL:
        _has_to_be_refused(trial)
        for companion in (log, Path(f"{file}-shm")):
            companion.unlink(missing_ok=True)
        shutil.copy(copy, log)
    if lost := _published(trial) - _there(trial):
        raise Broken(f"{len(lost)} accepted messages are gone after {end.name}")
    trial.let_go()


def _has_to_be_refused(trial: Trial) -> None:
    try:
        trial.find(trial.ids)
    except EngineError:
        trial.let_go()
    else:
        raise Broken("the file was opened without its log")


def _damaged(trial: Trial, change: Callable[[bytes], bytes]) -> None:
    """Damage has to be refused in clear words, or to have cost nothing. Then the good log comes back, from a copy."""
    _crash(trial)
    file, log = _file(trial), Path(f"{_file(trial)}-wal")
    copy = trial.folder / "copy"
    copy.mkdir()
    for path in (file, log):
        shutil.copy(path, copy)
    log.write_bytes(change(log.read_bytes()))
    trial.fault("damage", log.name)
    try:
        missing = set(trial.ids) - {found.id for found in trial.find(trial.ids)}
    except EngineError:
        missing = set[str]()
    if missing:
        raise Broken(f"{len(missing)} of {len(trial.ids)} accepted messages are gone, and nobody was told")
    trial.let_go()
    for path in (file, log):
        shutil.copy(copy / path.name, path)
    _works_off(trial)


def _crash(trial: Trial) -> None:
    """A producer dies with its last commits in the log only."""
    producer = trial.start(["-m", "forebay.testing.faults.produce", str(trial.seed), "0", "200"])
    trial.expect([one.id for one in trial.messages("work", 200)])
    trial.until("200 are published", lambda: len(trial.events(events.Published)) == 200)
    producer.kill()


def _works_off(trial: Trial) -> None:
    trial.fleet(concurrency=16)
    trial.drain()


def _file(trial: Trial) -> Path:
    return trial.folder / "queue.db"


_SQLITE = frozenset({"sqlite"})

SCENARIOS = (
    Scenario("T10", "power loss", power_loss, _SQLITE, smoke=False),
    Scenario("T11", "-shm deleted after a crash", index_gone, _SQLITE, smoke=False),
    Scenario("T11c", "log cut short", log_cut, _SQLITE),
    Scenario("T11f", "a bit of the log flips", log_flipped, _SQLITE),
    Scenario("T12", "one write in fifty fails", bad_disk, _SQLITE),
    Scenario("T35", "another SQLite in the process", visited, _SQLITE, smoke=False),
    Scenario("T35s", "another SQLite, short", few_visits, _SQLITE, whole=False),
    Scenario("T36", "two apps on one file", two_apps, _SQLITE, smoke=False),
    Scenario("T36s", "two apps on one file, short", few_apps, _SQLITE, whole=False),
    Scenario("T37", "the log deleted under a process", log_lost, _SQLITE, smoke=False),
    Scenario("T37s", "the log deleted, short", few_lost_logs, _SQLITE, whole=False),
)
