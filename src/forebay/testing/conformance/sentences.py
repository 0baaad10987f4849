"""What holds for every verb, as the docstring of `engine.contract.Engine` says it: a test for each sentence.

That callers may be struck anywhere is in `struck`, that verbs need no loop in `driving`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from forebay.engine.contract import Beat, Want
from forebay.model.message import Message
from forebay.model.outcome import Ack, Release, Settlement
from forebay.testing.conformance.kit import Kit, ident, names

#: Leases that are cancelled, each a little later than the one before.
CANCELLED = 12


class TestSentences:
    def test_opening_consumes_nothing(self, kit: Kit) -> None:
        """Whoever opened, and looks, publishes and settles, keeps nothing from the one who leases."""
        kit.needs("shared")
        idle = kit.peer()
        kit.publish("a", "b")
        idle.publish("c")
        idle.depth()
        idle.wait(0.0)
        assert kit.take() == ["a", "b", "c"]

    def test_a_look_for_cancellations_consumes_nothing(self, kit: Kit) -> None:
        """No limit, no messages, with queues or without; and those who want some get all."""
        kit.publish("a")
        kit.beat("v")
        assert kit.ask(0, worker="v").deliveries == []
        assert kit.ask(0, worker="v", queues=()).deliveries == []
        assert kit.take() == ["a"]

    def test_what_a_cancelled_lease_took_is_what_is_held(self, kit: Kit) -> None:
        """However far it came: what it took is held by its worker, and the rest is ready."""
        kit.beat()
        kit.publish(*(f"m{number}" for number in range(CANCELLED)))
        for turns in range(CANCELLED):
            kit.run(_broken_off(kit.backend.lease(Want("w", ["q"], 1)), turns))
            kit.ask(0, queues=())  # answered after that one
            held = kit.run(kit.backend.held("w"))
            depth = kit.depth()
            assert (depth.running, depth.ready) == (len(held), CANCELLED - len(held))
        assert all(kit.settle(Release(), *kit.run(kit.backend.held("w"))))
        assert kit.depth().ready == CANCELLED

    def test_a_cancelled_settle_happened_or_did_not(self, kit: Kit) -> None:
        """What is still held can be settled again, what is not is done: nothing is in between."""
        kit.publish(*(f"m{number}" for number in range(CANCELLED)))
        for turns, delivery in enumerate(kit.lease()):
            kit.run(_broken_off(kit.backend.settle("w", [Settlement(delivery, Ack())]), turns))
            kit.ask(0, queues=())
            held = kit.run(kit.backend.held("w"))
            assert kit.settle(Ack(), delivery) == [delivery in held]
        assert kit.depth().done == CANCELLED

    def test_verbs_of_one_worker_are_carried_out_in_order(self, kit: Kit) -> None:
        """Called without waiting for one another: registered, leased, settled, buried, each after the one before."""
        kit.publish("a", "b")
        backend = kit.backend

        async def together() -> tuple[Any, ...]:
            registered, leased = await asyncio.gather(
                backend.extend([Beat(worker="w", lease=60.0)]), backend.lease(Want("w", ["q"], 2))
            )
            a, b = leased.deliveries
            settled, buried = await asyncio.gather(backend.settle("w", [Settlement(a, Ack())]), backend.recover(["w"]))
            late = await backend.settle("w", [Settlement(b, Ack())])
            return registered, settled, buried.returned, late

        assert kit.run(together()) == ([True], [True], 1, [False])
        assert (kit.state("a"), kit.state("b")) == ("done", "ready")

    def test_anybody_may_settle_and_extend_in_a_workers_name(self, kit: Kit) -> None:
        """As a supervisor does for a child that died: who knows worker and fence is believed."""
        kit.needs("shared")
        supervisor = kit.peer()
        kit.publish("a", "b")
        a, b = kit.lease()
        assert supervisor.settle(Ack(), a) == [True]
        assert supervisor.beat("w")
        assert supervisor.settle(Ack(), b, worker="v") == [False]
        assert kit.settle(Ack(), a, b) == [False, True]

    def test_a_message_that_is_refused_takes_no_other_with_it(self, kit: Kit) -> None:
        """In one batch each has its own answer: a duplicate between two new ones changes nothing for them."""
        kit.needs("unique")
        kit.publish("a", unique="k")
        batch = [Message(id=ident(name), queue="q", unique="k" if name == "b" else None) for name in ("c", "b", "d")]
        receipts = kit.run(kit.backend.publish(batch))
        assert [receipt.fate for receipt in receipts] == ["accepted", "duplicate", "accepted"]
        assert names(kit.lease()) == ["a", "c", "d"]

    def test_the_stores_time_comes_with_each_lease(self, kit: Kit) -> None:
        """Also with one that gives nothing: a worker measures from there."""
        kit.beat()
        kit.clock.advance(10)
        assert kit.ask().now == kit.now()
        assert kit.ask(0, queues=()).now == kit.now()


async def _broken_off(verb: Coroutine[Any, Any, Any], turns: int) -> None:
    """Begin it, and cancel it so many turns of the loop later."""
    task = asyncio.ensure_future(verb)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
