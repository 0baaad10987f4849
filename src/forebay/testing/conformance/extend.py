"""What `extend` promises: one row per worker process, which stands as long as it is renewed in time."""

from forebay.engine.contract import Beat
from forebay.model.outcome import Ack
from forebay.testing.conformance.kit import Kit


class TestExtend:
    def test_the_first_beat_registers(self, kit: Kit) -> None:
        """A worker is there from its first beat, with what it said of itself."""
        beat = Beat(worker="w", lease=15, pid=4242, queues=["q", "r"], concurrency=8, running=3, rss=4096)
        assert kit.run(kit.backend.extend([beat])) == [True]
        (row,) = kit.run(kit.backend.workers())
        assert (row.worker, row.pid, list(row.queues), row.concurrency) == ("w", 4242, ["q", "r"], 8)
        assert (row.running, row.rss, row.state, row.started, row.left) == (3, 4096, "running", kit.now(), 15)

    def test_later_beats_tell_the_news(self, kit: Kit) -> None:
        """The row carries the numbers of the last beat and the time of the first."""
        kit.beat(lease=15)
        kit.advance(5)
        assert kit.beat(lease=15, done=7, failed=2, proved=0.5, state="draining")
        (row,) = kit.run(kit.backend.workers())
        assert (row.done, row.failed, row.proved, row.state) == (7, 2, 0.5, "draining")
        assert (row.started, row.left) == (kit.now() - 5, 15)

    def test_a_renewed_lease_holds_on(self, kit: Kit) -> None:
        """A worker that beats in time keeps its messages, however long they run."""
        kit.publish("a")
        kit.beat(lease=15)
        (delivery,) = kit.lease()
        for _ in range(10):
            kit.advance(10)
            assert kit.beat(lease=15)
            assert list(kit.recover().workers) == []
        assert kit.settle(Ack(), delivery) == [True]

    def test_a_lease_that_ran_out_cannot_be_renewed(self, kit: Kit) -> None:
        """Too late is too late, even if nobody has buried the worker yet."""
        kit.beat(lease=15)
        kit.advance(16)
        assert not kit.beat(lease=15)

    def test_a_buried_worker_cannot_come_back(self, kit: Kit) -> None:
        """The id of a worker that was declared lost is spent."""
        kit.beat(lease=15)
        kit.lose("w")
        assert not kit.beat(lease=15)
        assert kit.run(kit.backend.workers()) == []

    def test_a_buried_worker_cannot_come_back_whatever_the_date_says(self, kit: Kit) -> None:
        """Neither time that passes nor a date that is set makes its id good again."""
        kit.beat(lease=15)
        kit.lose("w")
        for date in (kit.now() + 10 * 365 * 86400, 0.0):
            kit.set_date(date)
            kit.tidy()
            assert not kit.beat(lease=15)

    def test_a_batch_answers_for_each(self, kit: Kit) -> None:
        """One call renews many workers, and each has its own answer in its place."""
        kit.beat("lost", lease=15)
        kit.lose("lost")
        beats = [Beat(worker=name, lease=15) for name in ("new", "lost", "other")]
        assert kit.run(kit.backend.extend(beats)) == [True, False, True]
        assert sorted(row.worker for row in kit.run(kit.backend.workers())) == ["new", "other"]

    def test_workers_of_one_host_are_listed_alone(self, kit: Kit) -> None:
        """Who looks after the processes of one host need not read those of all others."""
        beats = [Beat(worker=name, lease=15, host=host, born=7) for name, host in (("a", "x"), ("b", "y"), ("c", "x"))]
        kit.run(kit.backend.extend(beats))
        rows = kit.run(kit.backend.workers("x"))
        assert sorted((row.worker, row.host, row.born) for row in rows) == [("a", "x", 7), ("c", "x", 7)]
        assert kit.run(kit.backend.workers("z")) == []

    def test_a_lapsed_worker_shows_by_how_much(self, kit: Kit) -> None:
        """Until it is buried, the row of a worker that went silent says since when."""
        kit.beat(lease=15)
        kit.advance(20)
        (row,) = kit.run(kit.backend.workers())
        assert row.left == -5
