"""The suite is worth something only if it turns red: lanes, meters and gates that are wrong in one way each.

Memory and SQLite are spoiled where they decide, and one test of the conformance suite has to notice. Engines that lose
or repeat messages are in `tests/faults/test_mutations.py`.
"""

import pytest
from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.memory import bounds, gates, record
from forebay.engine.memory.engine import MemoryEngine
from forebay.engine.memory.state import Memory
from forebay.engine.registry import build
from forebay.engine.sqlite import lanes, limits, passing, publishing, stirring, whole
from forebay.engine.sqlite.leasing import Leasing
from forebay.flow import grant as flow
from forebay.flow.lane import shut
from forebay.model.outcome import Ack, Retry
from forebay.testing import ManualClock
from forebay.testing.conformance import TestCaps as Caps
from forebay.testing.conformance import TestCarried as Carried
from forebay.testing.conformance import TestGates as Gates
from forebay.testing.conformance import TestOrdered as Ordered
from forebay.testing.conformance import TestPaused as Paused
from forebay.testing.conformance import TestRates as Rates
from forebay.testing.conformance import TestSlots as Slots
from forebay.testing.conformance.kit import BOOM, Kit
from forebay.testing.conformance.stage import EngineKit


def one_slot_too_many(patch):
    def wide(meter):
        return meter if meter.slots is None else replace(meter, slots=meter.slots + 1)

    def through(meters, now, costs):
        n, after = flow.through([wide(meter) for meter in meters], now, costs)
        return n, [replace(one, slots=meter.slots) for one, meter in zip(after, meters, strict=True)]

    for module in (bounds, lanes):
        patch.setattr(module, "through", through)
    for module in (bounds, lanes, whole):
        patch.setattr(module, "grant", lambda meter, *args: flow.grant(wide(meter), *args))


def never_a_slot_back(patch):
    count = bounds.Bounds.count
    patch.setattr(bounds.Bounds, "count", lambda self, one, n: count(self, one, n) if n > 0 else None)
    patch.setattr(stirring, "free", lambda *_: None)


def a_slot_for_whoever_ran_before_the_bound(patch):
    patch.setattr(bounds.Bounds, "_now", lambda self, meter: replace(meter, running=max(0, self._running[""])))
    patch.setattr(limits, "recount", lambda _: None)


def a_rate_forgotten(patch):
    patch.setattr(bounds.Bounds, "pass_one", lambda self, one, queue, now: flow.through(
        self.passed(one, queue), now, [one.message.cost])[0] > 0)  # fmt: skip
    patch.setattr(passing.Meters, "write_down", lambda _: None)
    patch.setattr(whole, "_charge", lambda _, meter, *_more: meter)


def every_cost_is_one(patch):
    for module in (bounds, lanes):
        patch.setattr(module, "through", lambda meters, now, costs: flow.through(meters, now, [1.0 for _ in costs]))


def the_next_of_a_key_while_the_first_waits(patch):
    patch.setattr(record.Queue, "hold", lambda *_: None)
    patch.setattr(lanes.Turn, "_not_held", lambda _, found: found)


def a_gate_on_a_task_that_holds_nothing(patch):
    for module in (gates, lanes):
        patch.setattr(module, "shut", lambda gate, *about: gate.task is None and shut(gate, *about))


def a_gate_that_anybody_opens(patch):
    def opened(self, gate):
        self._gates.pop((gate.queue, gate.lane, gate.task, gate.key), None)

    def every_holder(tx, *about):
        tx.db.execute("delete from closed where queue = ?", (about[-1].queue,))

    patch.setattr(gates.Gates, "open", opened)
    patch.setattr("forebay.engine.sqlite.gates._open", every_holder)


def caps_overlooked(patch):
    share_out, lease = MemoryEngine._share_out, Leasing.lease
    patch.setattr(MemoryEngine, "_share_out", lambda self, want, now: share_out(self, replace(want, caps={}), now))
    patch.setattr(Leasing, "lease", lambda self, tx, want: lease(self, tx, replace(want, caps={})))


def a_history_dropped(patch):
    add, insert = Memory._add, publishing._insert_one
    patch.setattr(Memory, "_add", lambda self, message, now: add(self, replace(message, carried=None), now))
    patch.setattr(
        publishing, "_insert_one", lambda tx, message, *more: insert(tx, replace(message, carried=None), *more)
    )


FOUND_OUT = {
    one_slot_too_many: (Slots().test_so_many_run_at_a_time,),
    never_a_slot_back: (Slots().test_every_end_of_a_run_gives_its_slot_back, Ack()),
    a_slot_for_whoever_ran_before_the_bound: (Slots().test_a_bound_that_comes_later_counts_what_runs_already,),
    a_rate_forgotten: (Rates().test_all_workers_share_it,),
    every_cost_is_one: (Rates().test_what_costs_more_takes_more,),
    the_next_of_a_key_while_the_first_waits: (Ordered().test_one_that_is_tried_again_keeps_its_place, Retry(30, BOOM)),
    a_gate_on_a_task_that_holds_nothing: (Paused().test_a_task_waits_and_the_others_go_on, "q"),
    a_gate_that_anybody_opens: (Gates().test_each_holder_opens_its_own,),
    caps_overlooked: (Caps().test_a_lane_gives_no_more_than_its_cap,),
    a_history_dropped: (Carried().test_its_attempts_go_on_counting,),
}


@pytest.mark.parametrize("wrong", FOUND_OUT, ids=lambda wrong: wrong.__name__)
@pytest.mark.parametrize("url", ["memory://", "sqlite:///{folder}/queue.db"], ids=["memory", "sqlite"])
def test_an_engine_that_is_wrong_turns_conformance_red(url, wrong, monkeypatch, tmp_path):
    test, *more = FOUND_OUT[wrong]

    settings = Settings(url=url.format(folder=tmp_path), durability="normal")
    wrong(monkeypatch)
    kit = Kit(lambda clock=None: build(settings, clock or ManualClock()), ManualClock(), EngineKit())
    try:
        with pytest.raises(AssertionError):
            test(kit, *more)
    finally:
        kit.close()
