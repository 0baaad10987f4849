"""Another isolation is usual for the user or the database: ours is what the engine counts on, also through a pooler."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import msgspec
import psycopg
import pytest

from engines.servers import postgres
from engines.servers.found import needed
from engines.servers.proxy import Proxy
from fleet import until
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build, schema
from forebay.engine.postgres.address import address
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

LEVELS = ["repeatable read", "serializable"]
OTHER = f"{postgres.NAMESPACE}_twice"


def usual(settings, level):
    """As an administrator sets it for a role or a database."""
    joint = "&" if "?" in settings.url else "?"
    options = quote(f"-c default_transaction_isolation={level.replace(' ', chr(92) + ' ')}")
    return msgspec.structs.replace(settings, url=f"{settings.url}{joint}options={options}")


@pytest.mark.parametrize("level", LEVELS)
def test_of_two_that_set_up_a_schema_at_once_the_second_finds_it(level):
    settings = Settings(url=needed("postgres"), namespace=OTHER)
    engine = build(usual(settings, level), SystemClock())
    with psycopg.connect(settings.url) as first, ThreadPoolExecutor() as pool:
        first.execute("select pg_advisory_xact_lock(%s)", [schema.LOCK])
        opening = pool.submit(lambda: drive(engine.open()))
        waits = "select 1 from pg_stat_activity where wait_event = 'advisory' and application_name = %s"
        until(lambda: postgres.run(waits, [f"forebay {OTHER} check"]), "the second waits for the first")
        first.execute(schema.script(address(settings)).encode())
        first.commit()
        opening.result(60)
    assert drive(engine.depth()) == []
    drive(engine.close())
    postgres.run(f'drop schema "{OTHER}" cascade')


def through_a_pooler(data):
    """As one does it: it says a number of its own for the process that serves the session."""
    at = data.find(b"K\0\0\0\x0c")
    return data if at < 0 else data[: at + 5] + b"\0\1\2\3" + data[at + 9 :]


@pytest.mark.parametrize("level", LEVELS)
def test_through_a_pooler_each_act_sees_what_is_committed(level):
    settings = usual(postgres.empty(), level)
    where = urlsplit(settings.url)
    with contextlib.closing(Proxy(where.hostname, where.port)) as proxy:
        proxy.change = through_a_pooler
        url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
        engine = build(msgspec.structs.replace(settings, url=url), SystemClock())
        drive(engine.open())
        seen = []

        def look(tx):
            seen.append(tx._wire.rows("select current_setting('transaction_isolation')")[0][0])

        async def ask(submit):
            await submit(look)

        for submit in (engine._db.worker.submit_alone, engine._db.worker.submit, engine._db.publisher.submit):
            drive(ask(submit))
        assert seen == ["read committed"] * 3
        drive(engine.declare([QueueSpec(name="q", concurrency=1)]))
        drive(engine.extend([Beat(worker="w", host="h", pid=1, lease=60.0, state="working")]))
        drive(engine.publish([Message(id=str(n), queue="q", body=b"\x80") for n in range(3)]))
        assert len(drive(engine.lease(Want(worker="w", queues=["q"], limit=3))).deliveries) == 1
        drive(engine.close())
