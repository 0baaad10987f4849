"""Scenarios of many and of bad company: competing workers, poison, bodies that no producer of ours would make."""

from forebay.app import Forebay
from forebay.model.errors import PayloadTooLarge
from forebay.model.message import Message
from forebay.testing.faults.trial import Broken, Trial

_POISONS = ("exit", "segfault", "abort", "kill", "spin")

#: Bodies as a broken or hostile producer writes them, past all checks of ours.
_BODIES = {
    "no MessagePack": b"\xc1\xc1\xc1",
    "cut short": b"\x82\xa6number\x01\xa7seco",
    "empty": b"",
    "not a map": b"\x93\x01\x02\x03",
    "nested 10,000 deep": b"\x81\xa6number" + b"\x91" * 10_000 + b"\x01",
    "text that is not UTF-8": b"\x81\xa6number\xa2\xff\xfe",
    "an extension type": b"\x81\xa6number\xd4\x05\x00",
    "a name with NUL": b"\x81\xa7num\x00ber\x01",
    "the wrong type": b"\x81\xa6number\xa3one",
    "a number over 64 bits": b"\x81\xa6number\xcb\x7f\xef\xff\xff\xff\xff\xff\xff",
    "a length of 4 GiB": b"\xdf\xff\xff\xff\xff\xa6number\x01",
    "a body of 20 MB": b"\x81\xa6number\xc6\x01\x31\x2d\x00" + b"\x00" * 20_000_000,
}


def one_key(trial: Trial, processes: int = 16) -> None:
    """T20: sixteen processes compete for one queue and one key."""
    trial.lease = 5.0  # sixteen interpreters start at once, on whatever cores there are
    for _ in range(5):
        trial.send("work", 60, ways={"key": "tenant"})
    trial.fleet(processes=processes, concurrency=1)
    trial.drain()


def few_processes(trial: Trial) -> None:
    """T20, small: as above, with four."""
    one_key(trial, processes=4)


def poison(trial: Trial, waves: int = 4, ways: int = len(_POISONS)) -> None:
    """T14: tasks that end their process in every way, wave after wave, among tasks that do no harm."""
    trial.fleet(processes=2, concurrency=8)
    bad, good = list[str](), list[str]()
    for _ in range(waves):
        for how in trial.random.sample(_POISONS, ways):
            bad += trial.send("poison", 1, how=how)
            good += trial.send("work", 8, seconds=0.1)
        trial.pause(0.5, 1.5)
    trial.drain(180.0)
    if spared := [found.id for found in trial.find(bad) if found.state != "dead"]:
        raise Broken(f"{len(spared)} poisonous messages are not quarantined, {spared[0]} for one")
    if hit := [found for found in trial.find(good) if found.state != "done"]:
        raise Broken(f"{len(hit)} harmless messages paid for it, {hit[0].id} for one: {hit[0].state}, {hit[0].cause}")


def some_poison(trial: Trial) -> None:
    """T14, short: as above, one wave, of two ways."""
    poison(trial, waves=1, ways=2)


def payloads(trial: Trial) -> None:
    """T17: bodies written past all checks become dead letters with a cause; the producer's own check stops the rest."""
    trial.lease = 5.0  # a body of 20 MB takes its time
    _refuse_oversize(trial)
    trial.fleet(concurrency=4, env={"FOREBAY_UNKNOWN_FOR": "0"})
    batch = [
        Message(id=f"{trial.seed:016x}{number:016x}", queue="work", task="work", body=body)
        for number, body in enumerate(_BODIES.values(), start=1_000)
    ]
    unknown = Message(id=f"{trial.seed:016x}{2_000:016x}", queue="work", task="os.system", body=b"\x80")
    trial.publish([*batch, unknown])
    good = trial.send("work", 20)
    trial.drain()
    names = [*_BODIES, "an unknown task"]
    for name, found in zip(names, trial.find([one.id for one in (*batch, unknown)]), strict=True):
        if found.state != "dead" or not found.cause or found.lost:
            raise Broken(f"{name}: {found.state} {found.cause!r}, it cost {found.lost} workers")
    if any(found.state != "done" for found in trial.find(good)):
        raise Broken("a harmless message did not end well beside them")


def _refuse_oversize(trial: Trial) -> None:
    app = Forebay(trial.url)
    try:
        app.publish("work", "x" * 100_000_000)
    except PayloadTooLarge:
        return
    raise Broken("100 MB were accepted")
