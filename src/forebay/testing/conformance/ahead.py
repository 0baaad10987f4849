"""What looking at waiting messages promises: who is meant by the end of an id, and who is ahead of whom."""

from forebay.model.outcome import Ack, DeadLetter
from forebay.testing.conformance.kit import Kit, ident


class TestAhead:
    def test_messages_are_known_by_the_end_of_their_id(self, kit: Kit) -> None:
        """Live, done and dead ones; not more of them than asked for; none that ends otherwise."""
        kit.publish("1x", "2x", "3x", "y")
        done, dead, *_ = kit.lease(2)
        kit.settle(Ack(), done)
        kit.settle(DeadLetter("no"), dead)
        end = ident("x")[-2:]
        assert sorted(kit.run(kit.backend.ending(end))) == [ident("1x"), ident("2x"), ident("3x")]
        assert len(kit.run(kit.backend.ending(end, 2))) == 2
        assert kit.run(kit.backend.ending(ident("2x")[-4:])) == [ident("2x")]
        assert kit.run(kit.backend.ending("%")) == kit.run(kit.backend.ending("_")) == []

    def test_who_is_leased_first_is_ahead(self, kit: Kit) -> None:
        """Of the same lane of the same queue, by priority, then by acceptance; what is not ready is ahead of nobody."""
        kit.publish("a", "b")
        kit.publish("urgent", priority=5)
        kit.publish("low", priority=-1)
        kit.publish("other", queue="r")
        kit.publish("elsewhere", lane="smtp")
        kit.publish("later", delay=9)
        ahead = {name: kit.run(kit.backend.ahead(ident(name))) for name in ("urgent", "a", "b", "low")}
        assert ahead == {"urgent": 0, "a": 1, "b": 2, "low": 3}
        assert kit.run(kit.backend.ahead(ident("low"), 2)) == 2
        others = ("other", "elsewhere", "later", "nobody")
        assert [kit.run(kit.backend.ahead(ident(name))) for name in others] == [0] * 4
        kit.lease(1)
        assert kit.run(kit.backend.ahead(ident("urgent"))) == 0
        assert kit.run(kit.backend.ahead(ident("low"))) == 2
