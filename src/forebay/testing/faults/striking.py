"""Scenarios of timeouts that strike tasks which are using the queue themselves."""

from forebay.testing.faults.trial import Broken, Trial

#: Strikes for each of `trial.many`: ten thousand in the whole table; and where that is one, as many as run at a time.
_EACH, _AT_A_TIME = 50, 20
#: What a worker says when a strike did not do what it should.
_SIGNS = ("cannot be stopped", "cannot start a transaction", "database is locked", "its lease was lost", "a flaw")


def timeouts(trial: Trial) -> None:
    """T5b: synchronous tasks enqueue, ask and wait until their timeout strikes them, wherever they are just then.

    Each strike ends its task, and that alone: nothing is stopped with it, nothing stays leased, none is swallowed.
    """
    trial.lease = 15.0  # twenty threads on few cores: it is not the heartbeat that is tried here
    worker = trial.fleet(concurrency=_AT_A_TIME, drain=10.0)
    struck = list[str]()
    for _ in range(trial.many):
        struck += trial.send("use_the_queue", _EACH if trial.many > 1 else _AT_A_TIME)
    trial.drain(900.0)
    found = trial.find(struck)
    if spared := [one for one in found if one.state != "dead" or "longer than its timeout" not in one.cause]:
        raise Broken(f"{len(spared)} strikes were swallowed: {spared[0].id} is {spared[0].state}, {spared[0].cause!r}")
    if again := [one for one in found if one.lost or one.attempt != 1]:
        raise Broken(f"{len(again)} ran again or lost their worker, {again[0].id} for one")
    said = worker.log.read_text("utf-8", "replace")
    if signs := [line for line in said.splitlines() if any(sign in line for sign in _SIGNS)]:
        raise Broken(f"the worker says: {signs[0][:200]}")
    good = trial.send("work", 20)
    trial.drain()
    if any(one.state != "done" for one in trial.find(good)):
        raise Broken("a harmless message did not end well after them")
    trial.until("what they enqueued has ended, too, and nothing stays leased", lambda: not _live(trial))
    trial.notes.append(f"{len(struck):,} strikes")


def _live(trial: Trial) -> int:
    """Messages that have not ended."""
    return sum(depth.ready + depth.scheduled + depth.running for depth in trial.do(trial.engine.depth()))
