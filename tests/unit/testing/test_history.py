"""The judge, on histories made by hand: one small story for each way in which a promise can be broken."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from forebay.testing.history import Kind, Recorder, Rules, check, describe, events, judge, read, sort


class Tale:
    """A history that somebody makes up; a second passes with every event."""

    def __init__(self):
        self.told = []
        self._clock = itertools.count(100.0)
        self._calls = itertools.count(1)

    def tell(self, kind, pid=1, **fields):
        self.told.append(kind(at=next(self._clock), pid=pid, **fields))
        return self

    def now(self):
        return self.told[-1].at if self.told else 99.0

    def publish(self, *ids, fate="accepted", key=None, digest=""):
        call = next(self._calls)
        self.tell(events.Publishing, call=call, items=[events.Item(id_, "q", key, digest) for id_ in ids])
        if fate is None:
            return self
        return self.tell(events.Published, call=call, receipts=[(id_, fate) for id_ in ids])

    def lease(self, id_, fence=1, attempt=None, worker="w", began=None):
        lease = events.Lease(id_, "q", fence, attempt or fence)
        return self.tell(events.Leased, began=began or self.now() + 0.5, worker=worker, leases=[lease])

    def run(self, id_, fence=1, attempt=None, digest=""):
        self.tell(events.Started, id=id_, fence=fence, attempt=attempt or fence, digest=digest)
        return self.tell(events.Ended, id=id_, fence=fence)

    def settle(self, id_, fence=1, move="ack", worker="w", carried=True):
        call = next(self._calls)
        self.tell(events.Settling, call=call, worker=worker, fates=[events.Fate(id_, fence, move)])
        if carried is None:
            return self
        return self.tell(events.Settled, call=call, verdicts=[carried])

    def beat(self, worker="w", lease=15.0):
        return self.tell(events.Extended, began=self.now(), worker=worker, lease=lease, renewed=True)

    def bury(self, worker="w", named=True):
        return self.tell(events.Recovered, began=self.now(), named=[worker] if named else [], buried=[worker])

    def census(self, **states):
        return self.tell(events.Census, standings=[events.Standing(id_, state) for id_, state in states.items()])

    def broken(self, rules=None):
        """The kinds of promises that were broken, each once."""
        return {violation.kind for violation in check(self.told, rules).violations}


def test_a_message_that_is_published_run_and_acknowledged_breaks_nothing():
    tale = Tale().publish("a").beat().lease("a").run("a").settle("a").census(a="done")
    verdict = check(tale.told)
    assert verdict.clean
    assert (verdict.accepted, verdict.runs, verdict.counted, verdict.refused) == (1, 1, 0, 0)


def test_accepted_and_unknown_at_the_end_is_lost():
    assert Tale().publish("a").census(a="").broken() == {Kind.LOST}


def test_done_without_a_run_that_reached_its_end_is_lost():
    tale = Tale().publish("a").lease("a").tell(events.Started, id="a", fence=1, attempt=1).settle("a")
    assert tale.census(a="done").broken() == {Kind.LOST}


def test_done_without_anybody_who_said_so_is_lost():
    assert Tale().publish("a").lease("a").run("a").census(a="done").broken() == {Kind.LOST}


def test_a_dead_letter_is_not_lost_for_it_can_be_seen():
    tale = Tale().publish("a").lease("a").run("a").settle("a", move="dead-letter").census(a="dead")
    assert tale.broken() == set()


def test_a_publish_without_an_answer_may_end_either_way():
    assert Tale().publish("a", fate=None).census(a="").broken() == set()
    turned_up = Tale().publish("a", fate=None).lease("a").run("a").settle("a").census(a="done")
    assert check(turned_up.told).clean
    assert check(turned_up.told).recovered == 1


def test_what_nobody_published_is_invented():
    assert Tale().lease("a").run("a").settle("a").census().broken() == {Kind.INVENTED}


def test_a_run_with_another_body_is_invented():
    tale = Tale().publish("a", digest="one").lease("a").run("a", digest="two").settle("a").census(a="done")
    assert tale.broken() == {Kind.INVENTED}


def test_a_run_after_a_lost_lease_is_a_repeat_that_counts_as_one():
    tale = Tale().publish("a").beat(lease=2.0).lease("a").run("a").bury(named=False)
    tale.lease("a", 2, worker="v").run("a", 2).settle("a", 2, worker="v").census(a="done")
    verdict = check(tale.told)
    assert verdict.clean
    assert verdict.counted == 1


@pytest.mark.parametrize(
    "tale",
    [
        Tale().publish("a").lease("a").run("a").run("a").settle("a").census(a="done"),
        Tale().publish("a").lease("a").lease("a").run("a").settle("a").census(a="done"),
        Tale().publish("a").run("a").settle("a").census(a="done"),
        Tale().publish("a").lease("a").run("a").settle("a").lease("a", 2).run("a", 2).settle("a", 2).census(a="done"),
        Tale().publish("a").publish("a").lease("a").run("a").settle("a").census(a="done"),
        Tale().publish("a").lease("a").run("a").bury().lease("a", 2, 1).run("a", 2, 1).settle("a", 2).census(a="done"),
    ],
    ids=["one lease twice", "one fence twice", "no lease", "after its end", "accepted twice", "attempt not counted"],
)
def test_a_run_for_which_no_lease_accounts_is_a_duplicate(tale):
    assert tale.broken() == {Kind.DUPLICATED}


def test_an_attempt_that_was_handed_back_may_be_had_again():
    tale = Tale().publish("a").lease("a").run("a").settle("a", move="release")
    assert tale.lease("a", 2, 1).run("a", 2, 1).settle("a", 2).census(a="done").broken() == set()


def test_a_lease_given_away_while_it_holds_overlaps():
    tale = Tale().publish("a").beat(lease=15.0).lease("a").lease("a", 2, worker="v").run("a", 2)
    assert tale.settle("a", 2, worker="v").census(a="done").broken() == {Kind.OVERLAPPING}


def test_a_worker_that_was_buried_as_dead_and_still_runs_overlaps():
    tale = Tale().publish("a").beat().lease("a").bury().run("a").lease("a", 2, worker="v").run("a", 2)
    assert tale.settle("a", 2, worker="v").census(a="done").broken() == {Kind.OVERLAPPING}


def test_an_old_fence_that_settles_after_a_newer_one_was_granted_overlaps():
    tale = (
        Tale().publish("a").beat(lease=1.0).lease("a").bury(named=False).lease("a", 2, worker="v").run("a").run("a", 2)
    )
    tale.settle("a", 1, move="retry").settle("a", 2, worker="v").census(a="done")
    assert tale.broken() == {Kind.OVERLAPPING}


def test_a_holder_who_is_refused_was_meddled_with():
    tale = Tale().publish("a").beat(lease=15.0).lease("a").run("a").settle("a", carried=False).census(a="dead")
    assert tale.broken() == {Kind.OVERLAPPING}


def test_a_stale_answer_that_is_refused_is_as_it_should_be():
    tale = (
        Tale().publish("a").beat(lease=1.0).lease("a").bury(named=False).lease("a", 2, worker="v").run("a").run("a", 2)
    )
    tale.settle("a", 1, carried=False).settle("a", 2, worker="v").census(a="done")
    verdict = check(tale.told)
    assert verdict.clean
    assert verdict.refused == 1


def test_messages_of_one_key_that_do_not_wait_for_one_another_are_out_of_order():
    def tale():
        return Tale().publish("a", key="k").publish("b", key="k").lease("a").lease("b")

    ordered = Rules(ordered=frozenset({"q"}))
    waits = tale().run("a").settle("a").run("b").settle("b").census(a="done", b="done")
    pushes = tale().run("a").run("b").settle("a").settle("b").census(a="done", b="done")
    assert (waits.broken(ordered), pushes.broken(ordered)) == (set(), {Kind.DISORDERED})
    assert pushes.broken() == set(), "nobody promised an order"


def test_a_first_lease_that_passes_an_older_message_is_out_of_order():
    fifo = Rules(fifo=frozenset({"q"}))
    tale = Tale().publish("a").publish("b").lease("b").lease("a").run("a").run("b").settle("a").settle("b")
    assert tale.census(a="done", b="done").broken(fifo) == {Kind.DISORDERED}


def test_leases_that_were_asked_for_at_the_same_time_may_be_answered_in_any_order():
    fifo = Rules(fifo=frozenset({"q"}))
    tale = Tale().publish("a").publish("b").lease("b", began=103.5).lease("a", began=103.5)
    tale.run("a").run("b").settle("a").settle("b").census(a="done", b="done")
    assert tale.broken(fifo) == set()


def test_what_has_not_ended_is_stuck():
    assert Tale().publish("a").census(a="parked").broken() == {Kind.STUCK}


def test_without_a_census_nothing_is_proved():
    assert Tale().publish("a").lease("a").run("a").settle("a").broken() == {Kind.STUCK}


def test_the_report_shows_the_shortest_stories_and_what_struck_in_between():
    tale = Tale().publish("long", "short").beat().lease("long").run("long").settle("long")
    tale.tell(events.Fault, name="SIGKILL", detail="process 7").census(long="", short="")
    found = sort(tale.told)
    report = describe(judge(found, Rules()), found, examples=1)
    assert "message short" in report
    assert "message long" not in report
    assert "1 more messages with longer stories" in report
    whole = describe(judge(found, Rules()), found)
    assert "FAULT SIGKILL process 7" in whole.partition("message long")[2]


def test_a_history_outlives_the_sigkill_of_whoever_writes_it(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from forebay.testing.history import Recorder, events\n"
        "recorder = Recorder(pathlib.Path(sys.argv[1]))\n"
        "while True: recorder.write(events.Fault, name='beat'); print(flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        for _ in range(50):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    assert len(read(tmp_path)) >= 50


def test_half_a_last_line_is_no_line(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.write(events.Fault, name="one")
    recorder.write(events.Fault, name="two")
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - 5)
    assert [event.name for event in read(tmp_path)] == ["one"]


def test_a_kept_history_can_be_judged_by_the_command(tmp_path):
    def command(folder):
        arguments = [sys.executable, "-m", "forebay.testing.history", str(folder)]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)

    recorder = Recorder(tmp_path / "history")
    recorder.write(events.Publishing, call=1, items=[events.Item("a", "q")])
    recorder.write(events.Published, call=1, receipts=[("a", "accepted")])
    recorder.write(events.Census, standings=[events.Standing("a", "")])
    judged = command(tmp_path / "history")
    assert judged.returncode == 1
    assert "the engine does not know it any more" in judged.stdout
    nothing = command(tmp_path / "elsewhere")
    assert nothing.returncode == 2
    assert "name one folder" in nothing.stderr


def test_what_a_killed_server_may_take_back_is_declared_and_what_came_before_is_lost():
    tale = Tale().publish("old").publish("new").tell(events.Fault, name="SIGKILL", detail="the server")
    tale.census(old="", new="")
    assert [v.id for v in check(tale.told, Rules()).violations] == ["old", "new"]
    verdict = check(tale.told, Rules(window=2.0))
    assert [(v.kind, v.id) for v in verdict.violations] == [(Kind.LOST, "old")]
    assert verdict.declared == 1
