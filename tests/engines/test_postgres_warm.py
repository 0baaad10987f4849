"""The sessions that go from test to test (see `servers.warm`) are as good as new, and the server's own."""

import math

from engines.servers import postgres, warm
from forebay.engine.postgres import wire
from forebay.engine.postgres.address import address

LEFT = """
listen heard; notify heard; prepare mine as select 1; create temp table own (a int);
select pg_advisory_lock(4711); set enable_indexscan = off
"""
STATE = """
select pg_backend_pid(), current_setting('enable_indexscan'), (select count(*) from pg_prepared_statements),
    (select count(*) from pg_listening_channels()), to_regclass('pg_temp.own')::text,
    (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory')
"""


def opened():
    return wire.Wire(address(postgres.settings()), "reader", math.inf)


def test_it_comes_back_with_nothing_of_whoever_had_it():
    with postgres.emptied():
        one = opened()
        ((pid, *fresh),) = one.rows(STATE)
        one.script(LEFT)
        one.close()
        assert not one.alive
        again = opened()
        assert again.rows(STATE) == [(pid, *fresh)]
        assert again.raw.pgconn.notifies() is None
        again.close()


def test_one_that_is_in_a_transaction_or_was_ended_is_not_given_to_anybody():
    with postgres.emptied():
        busy, ended = opened(), opened()
        pids = {busy.rows("select pg_backend_pid()")[0][0], ended.rows("select pg_backend_pid()")[0][0]}
        busy.begin()
        busy.close()
        ended.close()
        postgres.run(f"select pg_terminate_backend({max(pids)}, 60000), pg_terminate_backend({min(pids)}, 60000)")
        fresh = opened()
        assert fresh.rows("select pg_backend_pid()")[0][0] not in pids
        fresh.close()


def test_where_nothing_stays_and_elsewhere_there_is_none():
    with postgres.emptied():
        opened().close()
        assert warm._kept
    postgres.empty()
    assert not any(warm._kept.values())
    one = opened()
    assert type(one.raw) is not warm.Session
    one.close()
