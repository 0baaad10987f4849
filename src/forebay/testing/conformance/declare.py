"""What `declare` promises: queues are known, with their defaults, however often that is said."""

from forebay.model.queue import QueueSpec
from forebay.testing.conformance.kit import Kit


class TestDeclare:
    def test_a_declared_queue_is_there_and_empty(self, kit: Kit) -> None:
        """A queue that was declared is listed, with zeros, before anything is in it."""
        kit.run(kit.backend.declare([QueueSpec(name="b"), QueueSpec(name="a")]))
        assert [depth.queue for depth in kit.run(kit.backend.depth())] == ["a", "b"]
        assert (kit.depth("a").ready, kit.depth("a").published, kit.depth("a").paused) == (0, 0, False)

    def test_declaring_nothing_is_allowed(self, kit: Kit) -> None:
        """An empty batch changes nothing."""
        kit.run(kit.backend.declare([]))
        assert kit.run(kit.backend.depth()) == []

    def test_declaring_again_keeps_what_waits(self, kit: Kit) -> None:
        """Saying again that a queue exists does not touch its messages or its numbers."""
        kit.publish("a")
        for _ in range(2):
            kit.run(kit.backend.declare([QueueSpec(name="q")]))
        assert (kit.depth().ready, kit.depth().published) == (1, 1)
        assert kit.take() == ["a"]

    def test_publishing_declares(self, kit: Kit) -> None:
        """A queue that nobody declared comes to be with its first message."""
        kit.publish("a", queue="new")
        assert [depth.queue for depth in kit.run(kit.backend.depth())] == ["new"]

    def test_a_queues_time_to_live_is_the_default_of_its_messages(self, kit: Kit) -> None:
        """A message without its own time to live has its queue's; one with its own keeps it."""
        kit.run(kit.backend.declare([QueueSpec(name="q", ttl=10)]))
        kit.publish("default")
        kit.publish("own", ttl=60)
        kit.advance(11)
        assert kit.take() == ["own"]

    def test_a_changed_time_to_live_holds_for_what_comes_after(self, kit: Kit) -> None:
        """Declaring a queue anew changes its options, not the messages already in it."""
        kit.publish("before")
        kit.run(kit.backend.declare([QueueSpec(name="q", ttl=10)]))
        kit.publish("after")
        kit.advance(11)
        assert kit.take() == ["before"]

    def test_it_says_what_held_before_and_what_holds_now(self, kit: Kit) -> None:
        """So that whoever changed something can be told, and whoever was overruled."""
        asked = [QueueSpec(name="q", ttl=10), QueueSpec(name="q", ttl=20), QueueSpec(name="r", assumed=True)]
        told = [kit.run(kit.backend.declare([spec]))[0] for spec in asked]
        assert [(one.before.ttl, one.now.ttl) for one in told] == [(None, 10), (10, 20), (None, None)]
        assert told[-1].now == QueueSpec(name="r")

    def test_who_merely_uses_a_queue_leaves_it_as_it_was_declared(self, kit: Kit) -> None:
        """A program that has not declared it does not take its options away."""
        kit.run(kit.backend.declare([QueueSpec(name="q", ttl=10)]))
        kit.run(kit.backend.declare([QueueSpec(name="q", assumed=True)]))
        kit.publish("a")
        kit.advance(11)
        assert kit.take() == []

    def test_who_only_enqueues_declares_what_no_worker_has(self, kit: Kit) -> None:
        """Of two of them the last one holds; then a worker declares at its start, and they change nothing any more."""
        said = [(10, True), (20, True), (30, False), (40, True), (50, False), (60, True)]
        specs = [QueueSpec(name="q", ttl=ttl, mild=mild) for ttl, mild in said]
        told = [kit.run(kit.backend.declare([spec]))[0] for spec in specs]
        assert [one.now.ttl for one in told] == [10, 20, 30, 30, 50, 50]
        kit.publish("a")
        kit.advance(51)
        assert kit.take() == []

    def test_a_worker_that_declares_no_bounds_takes_them_away_and_producers_do_not_bring_them_back(
        self, kit: Kit
    ) -> None:
        """No bound is a declaration, too."""
        kit.declare(rate=1 / 3600, mild=True)
        kit.declare()
        kit.declare(rate=1 / 3600, mild=True)
        kit.publish("a", "b")
        assert kit.take() == ["a", "b"]
