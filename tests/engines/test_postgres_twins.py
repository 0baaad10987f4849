"""What stands in SQL and in Python too is the same: how many a meter lets start, where one waits, what holds it."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.servers import postgres
from engines.servers.found import needed
from forebay.flow.grant import grant, kept
from forebay.flow.lane import own, place, shut
from forebay.model.gate import Gate
from properties import rules
from properties.bounds import generated


@pytest.fixture(scope="module")
def sql():
    postgres.empty()
    with psycopg.connect(needed("postgres"), autocommit=True) as db:

        def ask(text, *values):
            return db.execute(text.replace("forebay.", f'"{postgres.NAMESPACE}".'), values).fetchone()

        yield ask


@generated
@given(meter=rules.meters, cost=rules.COSTS, want=st.sampled_from([1, 2, 100]))
def test_a_meter_lets_as_many_start_in_sql_as_in_python(sql, meter, cost, want):
    values = meter.rate, meter.burst, meter.slots, meter.running, meter.tat, rules.NOW, want, cost
    n, tat, again = sql("select * from forebay.granted(%s::float8, %s::float8, %s, %s, %s, %s, %s, %s)", *values)
    answer = grant(meter, rules.NOW, want, cost)
    assert (n, again is None) == (answer.n, answer.again is None)
    assert (tat, again) == pytest.approx((answer.tat, answer.again), abs=1e-9)


@generated
@given(meter=rules.budgets, cost=rules.COSTS, want=st.sampled_from([1, 2, 100]))
def test_a_budget_lets_as_many_start_in_sql_as_in_python(sql, meter, cost, want):
    row = meter.name, meter.rate, meter.burst, meter.tat, rules.NOW, want, cost
    as_row = "(%s, null, %s::float8, %s::float8, null, 1, %s, 0)::forebay.meter"
    found = sql(f"select * from forebay.granted({as_row}, 0, %s, %s, %s)", *row)
    answer = grant(meter, rules.NOW, want, cost)
    assert found == pytest.approx((answer.n, answer.tat, answer.again), abs=1e-6)


@generated
@given(before=rules.meters, after=rules.meters, ahead=st.sampled_from([0.0, 0.05, 1.0, 3.5, 1000.0]))
def test_as_much_of_what_a_meter_let_through_still_counts_in_sql_as_in_python(sql, before, after, ahead):
    values = ahead, before.rate, before.burst, after.rate, after.burst
    (found,) = sql("select forebay.kept(%s::float8, %s::float8, %s::float8, %s::float8, %s::float8)", *values)
    assert found == pytest.approx(kept(before, after).of(ahead), rel=1e-9, abs=1e-9)


TOLD = "('q', %s, %s, null, null, null, %s::text[], %s::text[], %s)::forebay.told"


@generated
@given(message=rules.messages, split=rules.fair_splits)
def test_a_message_waits_in_sql_where_it_does_in_python(sql, message, split):
    lane, task, key, meters = message
    told = split.by_key, split.spec.ordered, list(split.tasks), list(split.keys), split.spec.fair
    (found,) = sql(f"select forebay.place(%s, %s, %s, {TOLD})", own(lane, meters), task, key, *told)
    assert found == place(own(lane, meters), task, key, split)


@generated
@given(
    message=rules.messages,
    queue=st.sampled_from(["q", "other", ""]),
    about=st.fixed_dictionaries({}, optional={"lane": rules.NAMES}) | st.fixed_dictionaries({"task": rules.NAMES})
    | st.fixed_dictionaries({"key": rules.NAMES}),
)  # fmt: skip
def test_a_gate_holds_in_sql_what_it_does_in_python(sql, message, queue, about):
    lane, task, key, meters = message
    gate = Gate(queue, **about)
    if not queue and gate.task is None and gate.key is None:
        return  # no gate is about all of all queues
    what = "".join(f"{kind}:{name}" for kind, name in about.items())
    text = """with made as (select forebay.close_gate(%s, %s, 'twin', '', null, 1)) select count(*) from made"""
    sql(text, queue, what)
    (found,) = sql("select forebay.shut('q', %s, %s, %s, 2)", own(lane, meters), task, key)
    sql("with gone as (delete from forebay.closed returning 1) select count(*) from gone")
    assert found == shut(gate, "q", lane, task, key)
