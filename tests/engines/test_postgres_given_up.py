"""What somebody's lock, or a limit that an administrator set, ends: only waits of ours, and no session stays behind."""

import threading
import time
from urllib.parse import quote

import psycopg
import pytest

from engines.servers import postgres
from engines.servers.found import needed
from fleet import until
from forebay import EngineError, Forebay
from forebay.engine.postgres.address import address
from forebay.engine.postgres.checks import ServerChecks
from forebay.engine.postgres.wire import Wire

OURS = f"starts_with(application_name, 'forebay {postgres.NAMESPACE} ')"
WAITING = f"select pid from pg_stat_activity where wait_event_type = 'Lock' and {OURS}"


@pytest.fixture
def locked():
    """The table of messages, all of it, as VACUUM FULL has it; until the test lets go."""
    postgres.empty()
    with psycopg.connect(needed("postgres"), application_name="nightly report") as connection:
        connection.execute(f'lock table "{postgres.NAMESPACE}".message')
        yield connection
        connection.rollback()


def with_limits(**limits):
    """An app for whose sessions somebody has set limits."""
    url = postgres.settings().url
    options = quote(" ".join(f"-c {name}={value}" for name, value in limits.items()))
    return Forebay(f"{url}{'&' if '?' in url else '?'}options={options}", namespace=postgres.NAMESPACE)


@pytest.mark.parametrize("purpose", ["reader", "doctor"])
def test_who_gives_up_leaves_no_session_behind_that_goes_on_waiting(locked, purpose):
    wire = Wire(address(postgres.settings()), purpose, time.monotonic() + 60)
    wire.within(time.monotonic() + 0.3)
    with pytest.raises(psycopg.OperationalError):
        wire.rows(f'select count(*) from "{postgres.NAMESPACE}".message')
    assert postgres.run(WAITING), "the server has not noticed yet"
    wire.abandon()
    until(lambda: not postgres.run(WAITING), "the end of that session, though the lock is still there")


def test_a_statement_limit_of_the_role_ends_nothing_of_ours(locked):
    found = []
    with with_limits(statement_timeout=200) as app:
        look = threading.Thread(target=lambda: found.append(app.queues()))
        look.start()
        until(lambda: postgres.run(f"{WAITING} and now() - query_start > interval '0.5 s'"), "a wait beyond that limit")
        locked.rollback()
        look.join(30)
    assert len(found) == 1, "the answer that it waited for"


def test_a_limit_for_idle_sessions_ends_none_of_ours():
    postgres.empty()
    with with_limits(idle_session_timeout=300) as app:
        app.publish("q", b"")
        app.queues()
        before = postgres.run(f"select pid from pg_stat_activity where {OURS} order by 1")
        url = needed("postgres")
        with psycopg.connect(url, options="-c idle_session_timeout=600", autocommit=True) as theirs:
            pid = theirs.info.backend_pid
            until(
                lambda: not postgres.run("select 1 from pg_stat_activity where pid = %s", (pid,)), "the end of theirs"
            )
        after = postgres.run(f"select pid from pg_stat_activity where {OURS} order by 1")
    assert before
    assert after == before


def test_doctor_names_who_holds_up_everybody(locked):
    with Forebay(needed("postgres"), namespace=postgres.NAMESPACE) as app:
        said = []

        def look():
            try:
                app.queues()
            except EngineError as error:
                said.append(str(error))

        waiter = threading.Thread(target=look)
        waiter.start()
        until(lambda: postgres.run(WAITING), "somebody who waits")
        (finding,) = [one for one in ServerChecks(postgres.settings()).examine(deep=False) if one.check == "locks"]
        waiter.join(60)
        locked.rollback()
    pid = locked.info.backend_pid
    assert f"process {pid} (nightly report" in finding.text
    assert "lock table" in finding.text
    assert f"pg_terminate_backend({pid})" in finding.advice
    assert "`forebay doctor` says which" in said[0], "who is told of the lock is told where to ask"


def test_where_nobody_waits_doctor_says_nothing_of_locks(locked):
    assert not [one for one in ServerChecks(postgres.settings()).examine(deep=False) if one.check == "locks"]


def test_a_primary_that_only_reads_is_not_taken_for_a_standby():
    app = with_limits(default_transaction_read_only="on")
    found = list(ServerChecks(app.settings).examine(deep=False))
    assert "session is read-only" in found[0].text
    assert "default_transaction_read_only = off" in found[0].advice
