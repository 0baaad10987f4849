"""The schema: made and checked under a lock, printed for whoever may run it, and what `doctor` finds in it."""

import itertools
import math
import re

import msgspec
import psycopg
import pytest

from engines.servers import postgres
from engines.servers.found import needed
from forebay.config import Settings
from forebay.engine.contract import Fate
from forebay.engine.postgres import backend, schema
from forebay.engine.postgres.address import address
from forebay.engine.postgres.wire import Wire
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineRefused, EngineUnreachable, SchemaTooNew, SchemaTooOld
from forebay.model.finding import Level
from forebay.model.message import Message

OTHER = f"{postgres.NAMESPACE}_other"


@pytest.fixture
def other():
    settings = Settings(url=needed("postgres"), namespace=OTHER)
    _drop()
    yield settings
    _drop()


def _drop():
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f'drop schema if exists "{OTHER}" cascade')


def opened(settings):
    parts = backend(settings, SystemClock())
    drive(parts.engine.open())
    return parts


def test_what_is_printed_makes_the_schema(other):
    parts = backend(other, SystemClock())
    assert parts.checks.versions() == (0, schema.newest())
    with pytest.raises(EngineUnreachable, match="forebay migrate"):
        parts.checks.reachable()
    with psycopg.connect(needed("postgres")) as db:
        db.execute(parts.checks.script())
    assert parts.checks.versions() == (schema.newest(),) * 2
    assert parts.checks.script() == ""
    opened(msgspec.structs.replace(other, migrate=False))


def test_a_unique_key_that_a_transaction_holds_is_held_in_its_namespace_alone(other):
    postgres.empty()
    here, there = opened(postgres.settings()), opened(other)
    send = [Message(id="a", queue="q", unique="u")]
    with psycopg.connect(needed("postgres")) as db:
        drive(here.transacts.publish_in(db, send))
        (receipt,) = drive(there.engine.publish(send))
    assert receipt.fate is Fate.ACCEPTED
    for parts in (here, there):
        drive(parts.engine.close())


def test_an_app_that_may_not_migrate_says_what_to_run(other):
    with pytest.raises(SchemaTooOld, match="--dump-sql"):
        opened(msgspec.structs.replace(other, migrate=False))


def test_whoever_was_given_a_schema_and_may_make_none_sets_it_up(other):
    given = f"given_{postgres.NAMESPACE}"
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f'create role {given} login; create schema "{OTHER}" authorization {given}')
        try:
            parts = opened(msgspec.structs.replace(other, url=other.url.replace("//forebay@", f"//{given}@")))
            drive(parts.engine.publish([Message(id="a", queue="q")]))
            drive(parts.engine.close())
        finally:
            db.execute(f"drop owned by {given} cascade; drop role {given}")


def test_a_newer_schema_is_refused(other):
    drive(opened(other).engine.close())
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f'insert into "{OTHER}".version (version) values (999)')
    with pytest.raises(SchemaTooNew, match="schema 999"):
        opened(other)


def test_a_schema_from_before_the_first_release_is_left_as_it_is(other):
    drive(opened(other).engine.close())
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f'delete from "{OTHER}".version where version > 20')
        db.execute(f'update "{OTHER}".version set version = {schema.oldest() - 1}')
    with pytest.raises(SchemaTooOld, match="before the first release: use another namespace"):
        opened(other)
    checks = backend(other, SystemClock()).checks
    (found,) = (one for one in checks.examine() if one.check == "schema")
    assert (found.level, "use another namespace" in found.advice) == (Level.FAIL, True)
    with pytest.raises(SchemaTooOld, match="before the first release: use another namespace"):
        checks.script()


def test_a_schema_of_another_program_is_left_alone(other):
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f'create schema "{OTHER}"')
        db.execute(f'create table "{OTHER}".theirs (i integer)')
    with pytest.raises(EngineRefused, match="another program's"):
        opened(other)


def test_a_database_that_stores_texts_otherwise_is_refused_for_good(other):
    name = OTHER[-50:] + "_latin"
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f"create database \"{name}\" template template0 encoding 'LATIN1' locale 'C'")
        try:
            with pytest.raises(EngineRefused, match="stores texts as LATIN1: use a database with encoding UTF8"):
                opened(msgspec.structs.replace(other, url=f"{other.url.rpartition('/')[0]}/{name}"))
        finally:
            db.execute(f'drop database "{name}" with (force)')


def test_two_namespaces_know_nothing_of_each_other(other):
    one, two = opened(other), opened(postgres.empty())
    drive(one.engine.publish([Message(id="a", queue="q")]))
    assert drive(two.engine.depth()) == []
    for parts in (one, two):
        drive(parts.engine.close())


def test_doctor_finds_nothing_wrong_and_tallies_that_are(other):
    parts = opened(other)
    drive(parts.engine.publish([Message(id="a", queue="q")]))
    assert {
        one.level for one in parts.checks.examine() if one.check in ("server", "schema", "numbers", "durability")
    } == {Level.OK}
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f"insert into \"{OTHER}\".delta (queue, ready) values ('q', 5)")
    (found,) = [one for one in parts.checks.examine() if one.check == "numbers"]
    assert (found.level, "ready 6, counted 1" in found.text) == (Level.FAIL, True)
    drive(parts.engine.close())


@pytest.mark.parametrize(
    ("dropped", "told", "what_to_do"),
    [
        ("table {}.message cascade", "lacks the table message, the function merge, the view story", "pg_restore -n"),
        ("table {}.delta", "lacks the table delta", "pg_restore -n"),
        ("function {}.lease", "lacks the function lease:", "messages are safe"),
        ("index {}.message_fresh", "lacks the index message_fresh:", "messages are safe"),
    ],
)
def test_doctor_names_what_somebody_has_dropped_and_what_to_do(other, dropped, told, what_to_do):
    parts = opened(other)
    drive(parts.engine.publish([Message(id="a", queue="q")]))
    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        db.execute(f"drop {dropped.format(f'{chr(34)}{OTHER}{chr(34)}')}")
    (found,) = [one for one in parts.checks.examine() if one.level is not Level.OK]
    assert (found.check, found.level) == ("schema", Level.FAIL)
    assert told in found.text
    assert what_to_do in found.advice
    drive(parts.engine.close())


@pytest.mark.parametrize("url", ["postgresql://me:s3cr%zzet@host/db", "postgresql://me:s3cret@host/db?nonsense=1"])
def test_a_url_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ConfigError) as caught:
        backend(Settings(url=url), SystemClock())
    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("scheme", "word"),
    [
        *itertools.product(["postgresql", "redis", "rediss"], ["m:s3cr/et", "m:s3cr@et", "m:s3cr/e@t", ":s3cr/et"]),
        *itertools.product(["redis"], ["m:s3cr#et", "m:s3cr?et", "s3cr/et"]),  # libpq takes the first two as they are
    ],
)
def test_a_password_that_ends_the_url_early_is_refused_with_what_to_write_and_not_shown(scheme, word):
    with pytest.raises(ConfigError, match="XX") as caught:
        build(Settings(url=f"{scheme}://{word}@127.0.0.1:1/0"), SystemClock())
    assert not re.search("s3|cr.et|et@|t@|:x", str(caught.value))


def test_a_text_that_cannot_be_stored_is_refused_at_once_and_spoils_nobodys_day():
    parts = opened(postgres.empty())
    with pytest.raises(ConfigError, match="NUL"):
        drive(parts.engine.publish([Message(id="a", queue="q", key="with\0nul")]))
    drive(parts.engine.publish([Message(id="b", queue="q", body=b"\0", headers={"a": "\0"})]))
    assert [depth.ready for depth in drive(parts.engine.depth())] == [1]
    drive(parts.engine.close())


class Meanwhile:
    """A connection, between whose first statement and the next somebody else makes the schema."""

    def __init__(self, wire, make):
        self._wire, self._make = wire, make

    def rows(self, text, parameters=()):
        answer = self._wire.rows(text, parameters)
        self._make()
        self._make = lambda: None
        return answer


def test_a_schema_that_somebody_makes_at_this_moment_is_no_other_programs(other):
    """Two processes of an app start at the same time on a new database."""
    where = address(other)
    wire = Wire(where, "test", math.inf)
    found = schema.version(Meanwhile(wire, lambda: drive(opened(other).engine.close())), where)
    assert found == 0  # and the lock that is taken next shows what there is by then
    assert schema.version(wire, where) == schema.newest()
    wire.close()


def test_each_version_has_a_number_of_its_own():
    numbers = [number for number, _ in schema.migrations()]
    assert numbers == list(range(schema.oldest(), schema.newest() + 1))
