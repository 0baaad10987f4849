"""What holds when many do it at once: from several threads, and from several instances where storage is shared."""

import asyncio
from collections import Counter

import pytest

from forebay.engine.contract import Fate, Receipt
from forebay.model.message import Message
from forebay.model.outcome import Ack
from forebay.testing.conformance.kit import Kit, ident, in_threads

SIDES = ["threads", "instances"]


def several(kit: Kit, side: str, number: int = 4) -> list[Kit]:
    """Kits for so many threads, on one instance or each on its own."""
    return [kit.fellow() if side == "threads" else kit.peer() for _ in range(number)]


class TestConcurrency:
    @pytest.mark.parametrize("side", SIDES)
    def test_leases_never_overlap(self, kit: Kit, side: str) -> None:
        """However many lease at once, each message goes to exactly one."""
        called = [f"m{number}" for number in range(1000)]
        kit.publish(*called)
        kits = several(kit, side)

        def drain(number: int) -> list[str]:
            got: list[str] = []
            while batch := kits[number].take(7, worker=f"w{number}"):
                got += batch
            return got

        shares = in_threads(*(lambda number=number: drain(number) for number in range(len(kits))))
        assert sorted(name for share in shares for name in share) == sorted(called)
        assert kit.depth().running == 1000

    @pytest.mark.parametrize("side", SIDES)
    def test_every_message_is_run_exactly_once(self, kit: Kit, side: str) -> None:
        """Publishers and workers side by side: all that was accepted is done, once."""
        kits = several(kit, side)
        total = 400

        def publish(number: int) -> list[str]:
            for start in range(0, total // 2, 5):
                kits[number].publish(*(f"p{number}-{start + offset}" for offset in range(5)))
            return []

        def work(number: int) -> list[str]:
            got: list[str] = []
            while kits[number].depth().done < total:
                deliveries = kits[number].lease(9, worker=f"w{number}")
                assert all(kits[number].settle(Ack(), *deliveries, worker=f"w{number}"))
                got += [delivery.id for delivery in deliveries]
            return got

        runs = in_threads(lambda: publish(0), lambda: publish(1), lambda: work(2), lambda: work(3))
        counted = Counter(id for share in runs for id in share)  # noqa: A001 - the word of the model
        assert (len(counted), set(counted.values())) == (total, {1})
        assert (kit.depth().published, kit.depth().done, kit.depth().ready) == (total, total, 0)

    @pytest.mark.parametrize("side", SIDES)
    @pytest.mark.parametrize("same", ["id", "unique"])
    def test_of_equal_messages_one_is_accepted(self, kit: Kit, side: str, same: str) -> None:
        """A race of equal ids, or of equal unique keys, has one winner, whom every receipt names."""
        kit.needs(*(() if same == "id" else ("unique",)))
        kits = several(kit, side)
        for turn in range(20):

            def publish(number: int, turn: int = turn) -> tuple[Fate, str]:
                name = f"m{turn}" if same == "id" else f"m{turn}-{number}"
                (receipt,) = kits[number].publish(name, unique=None if same == "id" else f"k{turn}")
                return receipt.fate, receipt.id

            answers = in_threads(*(lambda number=number: publish(number) for number in range(len(kits))))
            assert [fate for fate, _ in answers].count(Fate.ACCEPTED) == 1
            assert len({winner for _, winner in answers}) == 1
        assert kit.depth().published == 20

    def test_each_of_many_publishers_gets_its_own_receipts(self, kit: Kit) -> None:
        """Publishers on one loop at the same time: each is answered for what it brought, duplicates among them."""
        kit.publish("known")

        async def publish(number: int) -> list[Receipt]:
            called = ["known", f"m{number}", f"n{number}"][number % 3 :]
            return await kit.backend.publish([Message(id=ident(name), queue="q") for name in called])

        async def together() -> list[list[Receipt]]:
            return await asyncio.gather(*(publish(number) for number in range(60)))

        for number, receipts in enumerate(kit.run(together())):
            own = [Receipt(ident(f"m{number}")), Receipt(ident(f"n{number}"))]
            assert receipts == [Receipt(ident("known"), Fate.DUPLICATE), *own][number % 3 :]
        assert kit.depth().published == 1 + 20 * (2 + 2 + 1)

    @pytest.mark.parametrize("side", SIDES)
    def test_a_loss_is_counted_once(self, kit: Kit, side: str) -> None:
        """Everybody who notices may recover a worker; one of them does."""
        called = [f"m{number}" for number in range(50)]
        kit.publish(*called)
        kit.lease(50, worker="dead")
        kits = several(kit, side)
        returned = in_threads(*(lambda each=each: each.recover("dead").returned for each in kits))
        assert sorted(returned) == [0, 0, 0, 50]
        assert {delivery.lost for delivery in kit.lease(50)} == {1}

    @pytest.mark.parametrize("side", SIDES)
    def test_a_delivery_is_settled_by_one(self, kit: Kit, side: str) -> None:
        """Of several settles of one delivery one is carried out."""
        kit.publish("a")
        (delivery,) = kit.lease()
        kits = several(kit, side)
        verdicts = in_threads(*(lambda each=each: each.settle(Ack(), delivery) for each in kits))
        assert sorted(verdict for (verdict,) in verdicts) == [False, False, False, True]
        assert kit.depth().done == 1
