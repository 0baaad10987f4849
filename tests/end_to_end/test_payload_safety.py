"""Payloads that somebody may read, change or make up: what sealing keeps from them, and what bad ones do to a worker.

The attacker here can do everything with the file, and has no key.
"""

import base64
import json
import os
import pickle

import apsw
import msgspec
import pydantic
import pytest

import starts
from fleet import Place, until
from forebay import BadSeal, Context, Forebay, State, TaskFailed
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.sealed import FIRED_BY
from forebay.store.records import Query
from forebay.testing import ManualClock, drain

SIGNING, ENCRYPTION = "5e" * 32, "7f" * 32
CANARY = "the-canary-sings-at-noon"
pack = msgspec.msgpack.encode

APP = """
from forebay import Context, Forebay, Message

app = Forebay()


@app.task(retry=1)
async def echo(text: str) -> str:
    Context.current().progress({"seen": text})
    return text[::-1]


@app.task(retry=1)
def echo_in_thread(text: str) -> str:
    return text[::-1]


@app.task(retry=1, cpu=True, queue="cpu")
def echo_in_process(text: str) -> str:
    return text[::-1]


@app.task(retry=1)
def anything(value: object) -> None: ...


@app.task(retry=1)
def deep(levels: int) -> object:
    value = []
    for _ in range(levels):
        value = [value]
    return value


@app.task(retry=1)
async def nap() -> None:
    import asyncio
    await asyncio.sleep(60)


@app.consume("clicks", batch=10, max_wait=0.05)
def clicks(messages: list[Message]) -> None:
    with open("clicks.txt", "a") as file:
        file.writelines(f"{message.value}\\n" for message in messages)
"""


@pytest.fixture
def make_place(tmp_path):
    """The app above on one file, under the settings that are given."""
    places = []
    (tmp_path / "vault.py").write_text(APP)

    def make(**settings):
        places.append(Place(tmp_path, tmp_path / "vault.py", **settings))
        return places[-1]

    yield make
    for place in places:
        place.close()


def slip_in(url, task, body, queue="default", clock=None, **more):
    """Publish as somebody does who reaches the file and has no key; the id."""
    message = Message(id=new_id(), queue=queue, task=task, body=body, **more)
    with Forebay(url, clock=clock) as attacker:
        drive(attacker.engine.publish([message]))
    return message.id


def alter(url, change, *values):
    """Write straight into the file."""
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    connection.set_busy_timeout(10_000)
    connection.execute(change, values)
    connection.close()


def end_of(place, id_):
    """How a message ended, once it has."""

    def look():
        found = place.ask("find", [id_])[0]
        return found if found.state in (State.DONE, State.DEAD) else None

    return until(look, f"the end of {id_}")


def command(place, *words, keys=True):
    """What `forebay …` prints, with the keys in its environment or without."""
    own = {name: value for name, value in place.environment.items() if keys or not name.endswith("_KEYS")}
    done = starts.run(words, place.folder, own, 60)
    return done.stdout + done.stderr


def in_any_form(secret):
    """A secret as it may be written somewhere."""
    raw = bytes.fromhex(secret)
    return [secret.encode(), secret.upper().encode(), raw, base64.b64encode(raw).rstrip(b"="), repr(raw)[2:-1].encode()]


# --- what is kept from those who may look ---


def test_of_an_encrypted_message_nothing_is_in_file_log_and_command_line_but_its_envelope(make_place):
    place = make_place(
        signing_keys=f"s1:{SIGNING}", encryption_keys=f"e1:{ENCRYPTION}", compression="zstd-then-encrypt"
    )
    crew = place.crew
    with place.fleet("--cpu", "1") as fleet:
        tasks = (crew.echo, crew.echo_in_thread, crew.echo_in_process)
        handles = [task.enqueue(CANARY * 100) for task in tasks]
        raw = crew.app.publish("clicks", {"word": CANARY})
        assert [handle.result(30) for handle in handles] == [(CANARY * 100)[::-1]] * 3
        assert raw.result(30) is None
        waiting = crew.nap.using(headers={"trace": "visible"}, delay=3600).enqueue()
        forged = slip_in(place.url, "echo", pack({"text": "forged"}))
        assert end_of(place, forged).cause.startswith("bad seal: not sealed")
        assert (place.folder / "clicks.txt").read_text() == f"{{'word': '{CANARY}'}}\n"
        said = fleet.said
    hidden = [CANARY.encode(), CANARY[::-1].encode(), *in_any_form(SIGNING), *in_any_form(ENCRYPTION)]
    shown = command(place, "messages", waiting.id) + command(place, "messages", waiting.id, keys=False)
    shown += command(place, "messages", "--state", "done", keys=False) + command(place, "dead", "list")
    shown += command(place, "config", "show", "--origin") + command(place, "doctor", "-o", "json")
    files = b"".join(path.read_bytes() for path in place.folder.glob("queue.db*") if path.is_file())
    kept = files + said.encode() + shown.encode()
    assert [word for word in hidden if word in kept] == []
    assert b"visible" in kept
    assert handles[0].id.encode() in kept


def test_the_command_line_opens_messages_with_the_keys_and_says_how_they_are_sealed_without(make_place):
    place = make_place(encryption_keys=f"e1:{ENCRYPTION}")
    handle = place.crew.echo.enqueue(CANARY)
    sealed = {"sealed": "encrypted with key 'e1'"}
    opened = {"text": CANARY}
    for words, keys, body in (
        (["messages", handle.id], True, opened),
        (["messages", handle.id], False, sealed),
        (["messages"], True, opened),
        (["tail", "-n", "1", "--count", "1"], True, opened),
    ):
        assert json.loads(command(place, *words, "-o", "ndjson", keys=keys).splitlines()[0])["body"] == body
    drain(place.crew.app)
    assert command(place, "result", handle.id) == f'"{CANARY[::-1]}"\n'
    refused = command(place, "result", handle.id, keys=False)
    assert refused == (
        "error: encrypted with key 'e1', and this app has no keys and no compression set: "
        "set them, then ask again or redrive\n"
    )


def test_config_show_names_the_keys_and_where_they_come_from(make_place):
    place = make_place(signing_keys=f"s2:{ENCRYPTION},s1:{SIGNING}")
    rows = {row["name"]: row for row in json.loads(command(place, "config", "show", "--origin", "-o", "json"))}
    assert rows["signing_keys"] == {"name": "signing_keys", "value": ["s2", "s1"], "origin": "environment FOREBAY_*"}


class Old(pydantic.BaseModel):
    card: str


class New(pydantic.BaseModel):
    card: int


def test_an_error_about_arguments_does_not_tell_them(tmp_path):
    url = f"sqlite:///{tmp_path}/queue.db"
    producer, consumer = (Forebay(url, encryption_keys=[f"e1:{ENCRYPTION}"]) for _ in range(2))

    @producer.task(name="pay")
    def pay_as_it_was(order: Old) -> None: ...

    @consumer.task(name="pay")
    def pay(order: New) -> None: ...

    pay_as_it_was.enqueue(Old(card=CANARY))
    (dead,) = drain(consumer)
    found = drive(consumer.store.find([dead.id]))[0]
    assert "card: Input should be a valid integer" in found.cause
    assert CANARY not in f"{found.cause} {found.failure}"


# --- what is kept from those who may write ---


def test_what_an_attacker_makes_moves_or_changes_is_dead_with_its_cause_and_the_worker_goes_on(make_place):
    place = make_place(signing_keys=f"s1:{SIGNING}")
    crew, url = place.crew, place.url
    real = crew.echo.using(key="tenant-1", delay=3600).enqueue("real")
    body = place.ask("find", [real.id])[0].body
    misfit = "bad seal: does not fit key 's1': it was changed, or was sealed for another message or queue"
    causes = {
        slip_in(url, "echo", pack({"text": "made up"})): "bad seal: not sealed, and this app takes only sealed",
        slip_in(url, "echo", body): misfit,  # a copy under an id of its own
        slip_in(url, "echo", body, queue="cpu"): misfit,
        slip_in(url, "echo_in_thread", body): misfit,
        slip_in(url, "", body, queue="clicks"): misfit,
        slip_in(url, "", pack({"raw": 1}), queue="clicks"): "bad seal: not sealed",
        slip_in(
            url, "echo", body.replace(b"s1", b"s9")
        ): "bad seal: signed with key 's9', which this app does not have",
        slip_in(url, "echo", body[:20]): misfit,
        slip_in(url, "echo", b"\xc1"): "bad seal: sealed in a form that this Forebay does not know",
    }
    changed, moved, lent = (crew.echo.enqueue(text) for text in ("changed", "moved", "lent"))
    other = place.ask("find", [changed.id])[0].body.replace(b"changed", b"CHANGED")
    for id_, blob in ((changed.id, other), (moved.id, body)):
        alter(url, "update message set body = ? where id = ?", blob, id_)
    alter(url, "update message set key = 'tenant-2' where id = ?", lent.id)
    causes |= dict.fromkeys((changed.id, moved.id, lent.id), misfit)
    with place.fleet("--cpu", "1") as fleet:
        before = fleet.pids()
        for id_, cause in causes.items():
            found = end_of(place, id_)
            assert found.state is State.DEAD
            assert found.cause.startswith(cause), found
        assert crew.echo.enqueue("good").result(30) == "doog"
        assert fleet.pids() == before
    assert not (place.folder / "clicks.txt").exists()


def test_a_result_that_somebody_changed_is_not_handed_out(make_place):
    place = make_place(encryption_keys=f"e1:{ENCRYPTION}")
    one, other = place.crew.echo.enqueue("one"), place.crew.echo.enqueue("two")
    drain(place.crew.app)
    assert one.result() == "eno"
    swap = "update finished set result = (select result from finished where id = ?) where id = ?"
    alter(place.url, swap, other.id, one.id)
    with pytest.raises(BadSeal, match="does not fit key 'e1'"):
        one.result()
    assert other.result() == "owt"


def test_progress_is_sealed_like_a_result():
    app = Forebay("memory://", encryption_keys=[f"e1:{ENCRYPTION}"])

    @app.task
    def long() -> tuple[bytes, object]:
        Context.current().progress({"seen": CANARY})
        return drive(app.store.find([handle.id]))[0].progress, handle.progress()

    handle = long.enqueue()
    (ended,) = drain(app)
    kept, seen = ended.value
    assert seen == {"seen": CANARY}
    assert kept.startswith(b"\xc1e\x02e1")


def test_a_schedule_fires_under_seal_and_its_tick_cannot_be_lent_to_another_task(tmp_path):
    clock = ManualClock()
    app = Forebay(f"sqlite:///{tmp_path}/cron.db", clock=clock, encryption_keys=[f"e1:{ENCRYPTION}"])

    @app.periodic("0 * * * *", retry=1)
    def hourly() -> str:
        return "fired"

    @app.task(retry=1)
    def wipe() -> None: ...

    assert [one.value for one in drain(app, ahead=2 * 3600)] == ["fired", "fired"]
    body = drive(app.store.schedules())[0].message.body
    for headers in ({FIRED_BY: "hourly"}, {FIRED_BY: "wipe"}, None):
        slip_in(app.settings.url, "wipe", body, clock=clock, headers=headers)
    assert [(one.state, one.cause.split(":")[1]) for one in drain(app)] == [(State.DEAD, " bad seal")] * 3
    drive(app.close())


# --- keys that change ---


def test_keys_are_replaced_while_messages_wait_and_dead_letters_come_back_when_their_key_does(make_place):
    old, new = f"2025:{SIGNING}", f"2026:{ENCRYPTION}"
    first = make_place(encryption_keys=old).crew
    waiting, forgotten = first.echo.enqueue("before"), first.echo.using(delay=3600).enqueue("forgotten")
    second = make_place(encryption_keys=f"{new},{old}").crew
    assert [one.state for one in drain(second.app)] == [State.DONE]
    assert second.app.handle(waiting.id).result() == "erofeb"
    with pytest.raises(BadSeal, match="'2026', which this app does not have: add it to encryption_keys"):
        first.app.handle(waiting.id).result()

    third = make_place(encryption_keys=new)
    alter(third.url, "update message set due = 0 where id = ?", forgotten.id)
    (dead,) = drain(third.crew.app)
    assert dead.state is State.DEAD
    assert dead.cause.endswith("bad seal: encrypted with key '2025', which this app does not have: "
                               "add it to encryption_keys, then redrive")  # fmt: skip
    fourth = make_place(encryption_keys=f"{new},{old}")
    assert "redriven 1" in command(fourth, "dead", "redrive", forgotten.id)
    assert [one.value for one in drain(fourth.crew.app)] == ["nettogrof"]


def test_sealing_is_turned_on_while_messages_wait_and_an_app_without_keys_says_what_it_needs(make_place):
    plain = make_place()
    plain.crew.echo.enqueue("plain")
    change = make_place(signing_keys=f"s1:{SIGNING}", accept_unsealed="true").crew
    assert [one.value for one in drain(change.app)] == ["nialp"]
    sealed = change.echo.enqueue("sealed")
    (dead,) = drain(plain.crew.app)
    assert dead.cause.endswith("bad seal: signed with key 's1', and this app has no keys and no compression set: "
                               "set them, then ask again or redrive")  # fmt: skip
    with pytest.raises(TaskFailed, match="bad seal"):
        sealed.result()


# --- payloads that are only bad ---


def test_no_payload_ends_a_worker_or_brings_code_in(make_place):
    place = make_place(unknown_for=0)
    url = place.url
    (place.folder / "bait.py").write_text("open('taken', 'w').close()\ndef run(*args): open('run', 'w').close()\n")
    evil = pickle.dumps(Trap())
    misfit, too_large = "bad arguments: task anything: ", "the body has 2,097,164 bytes, the limit is 1,048,576"
    causes = {
        slip_in(url, "anything", b"\x81\xa5value" + b"\x91" * 10_000 + b"\x90"): misfit,
        slip_in(url, "anything", b"\x91" * 200_000): misfit,
        slip_in(url, "anything", b"\x81\xa5value" + b"\xc6\x00\x20\x00\x00" + bytes(2**21)): too_large,
        slip_in(url, "anything", b"\x81\xa5value\xdd\xff\xff\xff\xff"): misfit,  # an array of four billion items
        slip_in(url, "anything", b"\xdf\xff\xff\xff\xff"): misfit,
        slip_in(url, "anything", b"\x81\xa5value\xc6\xff\xff\xff\xff"): misfit,
        slip_in(url, "echo", b"\x81\xa4text\xa2\xff\xfe"): "bad arguments: task echo: ",  # no UTF-8
        slip_in(url, "anything", b""): misfit,
        slip_in(url, "anything", b"\xc1\xc1\xc1"): "bad seal: ",
        slip_in(url, "anything", b'{"value": 1}'): misfit,
        slip_in(url, "anything", b"!!python/object/apply:os.system ['touch taken']"): misfit,
        slip_in(url, "anything", evil): misfit,
        slip_in(url, "", evil, queue="clicks"): "the payload is not MessagePack",
        slip_in(url, "", b"\x91" * 100_000, queue="clicks"): "the payload is not MessagePack",
        slip_in(url, "", b"\xc6\x00\x20\x00\x00" + bytes(2**21), queue="clicks"): "the body has 2,097,157 bytes, the",
        **{
            slip_in(url, name, pack({"args": ["touch taken"]})): f"unknown task {name!r}"
            for name in ("os.system", "bait:run", "bait.run", "bait", "vault:echo", "__init__", "app.engine.close")
        },
    }
    with place.fleet("--cpu", "1") as fleet:
        before = fleet.pids()
        for id_, cause in causes.items():
            found = end_of(place, id_)
            assert found.state is State.DEAD, found.id
            assert found.cause.startswith(cause), found.cause
        result = end_of(place, place.crew.deep.enqueue(10_000).id)
        assert result.state is State.DEAD
        assert result.cause.startswith("task deep: its result is not usable")
        nul = place.crew.echo.enqueue("nul \0 and \U0010ffff")
        assert nul.result(30) == "\U0010ffff dna \0 lun"
        assert fleet.pids() == before
    assert not (place.folder / "taken").exists()
    assert not (place.folder / "run").exists()
    listed = command(place, "dead", "list", "-o", "json")
    assert {row["id"] for row in json.loads(listed)} == {*causes, result.id}
    assert len(place.ask("messages", Query(state=State.DEAD))) == len(causes) + 1


class Trap:
    """What runs a command when somebody unpickles it."""

    def __reduce__(self):
        return os.system, ("touch taken",)
