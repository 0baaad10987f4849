"""Who is to blame for the end of a worker process, and what its parent hears of it."""

import asyncio
import socket
from typing import Any, cast

from forebay.engine.contract import Beat
from forebay.model.delivery import Delivery
from forebay.model.outcome import Lose, Release
from forebay.work.link import Buried, Known, Leaving, Report, encoded
from forebay.work.offspring import Offspring
from forebay.work.tidings import TELLS, Tidings


def beat() -> Beat:
    return Beat(
        worker="w", lease=5, host="h", pid=1, queues=("q",), concurrency=2, running=0, done=0, failed=0, proved=9,
        state="running",
    )  # fmt: skip


def held(id_: str, lost: int = 0) -> Delivery:
    return cast("Delivery", type("D", (), {"id": id_, "lost": lost})())


def judged(child: Offspring, *deliveries: Delivery) -> dict[str, Any]:
    return {one.delivery.id: one.outcome for one in child.judge(list(deliveries))}


def child(waits: list[str], cause: str = "") -> Offspring:
    born = Offspring("w", cast("asyncio.subprocess.Process", type("P", (), {"returncode": 0, "pid": 0})()))
    born._note(Report(beat=beat(), waits=waits, trouble="full"))
    if cause:
        born.lose(cause)
    return born


def test_what_ran_counts_the_loss_and_what_only_waited_is_handed_back():
    ends = judged(child(["waits"], "no answer"), held("ran"), held("waits"))
    assert ends == {"ran": Lose("no answer"), "waits": Release()}


def test_what_ran_in_a_process_of_its_own_is_not_to_blame_if_others_ran_in_the_worker():
    assert judged(child([], "no answer"), held("ran"), held("apart", 2)) == {
        "ran": Lose("no answer"),
        "apart": Release(),
    }
    assert judged(child(["waits"], "no answer"), held("waits"), held("apart", 2))["apart"] == Lose("no answer")


def test_a_worker_that_ends_without_a_word_hands_back_what_waited():
    assert judged(child(["waits"]), held("ran"), held("waits")) == {"waits": Release()}


def test_one_that_ends_with_something_unread_is_heard_to_its_last_word_and_over():
    async def story():
        ours, theirs = socket.socketpair()
        ours.send(encoded(Leaving()))  # what the child leaves unread makes the kernel reset the connection
        theirs.send(encoded(Leaving()))
        theirs.close()
        born = Offspring("w", await asyncio.create_subprocess_exec("true"))
        return [line async for line in born.hear(ours)]

    assert asyncio.run(story()) in ([Leaving()], [])  # what was on its way may be lost


class Listener(Offspring):
    """A child that hears, and writes down what it is told."""

    def __init__(self) -> None:
        super().__init__("w", cast("asyncio.subprocess.Process", type("P", (), {"returncode": None, "pid": 0})()))
        self.told: list[tuple[str, int]] = []
        self._note(Report(beat=beat()))

    def say(self, line: object) -> bool:
        assert isinstance(line, Buried)
        self.told.append((line.delivery.id, line.delivery.fence))
        return True


def lost(id_: str, fence: int = 1) -> Delivery:
    return Delivery(receipt=1, id=id_, queue="q", task="t", body=b"", fence=fence, attempt=1)


def test_what_a_child_was_told_and_has_not_passed_on_is_told_to_the_next_one_first() -> None:
    living = [Listener()]
    tidings = Tidings(lambda: living)
    for id_ in ("a", "b", "c"):
        tidings.ended(lost(id_), Lose("gone"))
    first, living[:] = living[0], [Listener()]
    first._note(Known(id="b", fence=1))
    first.told.clear()
    tidings.again(first)
    tidings.ended(lost("d"), Lose("gone"))
    assert (first.told, living[0].told) == ([], [("a", 1), ("c", 1), ("d", 1)])


def test_what_ends_each_child_that_is_told_of_it_is_told_a_few_times_and_then_counted(caplog: Any) -> None:
    living = [Listener()]
    tidings = Tidings(lambda: living)
    tidings.welcome(hooks=True)
    tidings.ended(lost("a"), Lose("gone"))
    times = 0
    while living[0].told:
        times += 1
        ended, living[:] = living[0], [Listener()]
        tidings.again(ended)
    tidings.close()
    assert times == TELLS
    assert "on_failure was not called for 1 failed attempts" in caplog.text
