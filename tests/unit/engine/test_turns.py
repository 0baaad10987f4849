"""Group commit, with an engine that is a list: what shares an attempt, what becomes of one that fails, and the line."""

import asyncio
import logging
import queue
import threading

import pytest

from forebay.engine import turns
from forebay.engine.turns import GROUP, MESSAGES, Turns
from forebay.engine.waiting import drive
from forebay.model.errors import EngineClosed, EngineError

PATIENCE = 60


class Away(Exception):
    """The store does not answer anybody."""


class Toy(Turns[list]):
    """Keeps what was committed in a list; a group is undone by leaving the list as it was."""

    stubborn = (Away,)

    def __init__(self):
        self.kept, self.groups, self.threads = [], [], []
        self.free, self.begun = threading.Event(), threading.Event()
        self.free.set()
        self.alone, self.afterthought, self.silent = True, None, False
        self.soon, self.safe, self.tries = 0.01, threading.Event(), []
        self.shut = None
        super().__init__("toy")

    def at_once(self):
        return self.alone

    def explain(self, error):
        return EngineError(f"explained: {error}")

    def catch_up(self):
        self.tries.append(threading.get_ident())
        if len(self.tries) == 1 and self.afterthought:
            raise self.afterthought
        self.safe.set()

    def attempt(self, group):
        self.begun.set()
        assert self.free.wait(PATIENCE)
        self.groups.append(len(group.operations))
        self.threads.append(threading.get_ident())
        new = []
        if self.shut and len(self.groups) > 1:
            raise self.shut
        group.carry_out(new)
        if self.silent:
            return
        self.kept += new
        if group.lazy:
            self.owe(self.soon)
        else:
            self.paid()
        group.commit()
        if self.afterthought:
            raise self.afterthought


@pytest.fixture
def toy():
    one = Toy()
    yield one
    one.free.set()
    one.close()


def keep(new, item):
    """An operation: keeps an item, unless it is an error."""
    if isinstance(item, Exception):
        raise item
    new.append(item)
    return f"kept {item}"


def keep_all(new, items):
    """The same for a crowd."""
    new.append(tuple(items))
    return [f"kept {item}" for item in items]


async def answer(awaitable):
    return await awaitable


def asked(toy, item):
    """An item is kept for somebody who does nothing else meanwhile."""

    async def ask_for_it():
        return await toy.submit(keep, item)

    return drive(ask_for_it())


def ask(toy, *items, submit=None):
    """Have each item kept by a call of its own while another attempt is under way, so that they can share one."""

    async def gather():
        toy.free.clear()
        toy.begun.clear()
        first = toy.submit(keep, "first")
        assert toy.begun.wait(PATIENCE)
        waiting = [(submit or (lambda item: toy.submit(keep, item)))(item) for item in items]
        toy.free.set()
        return await asyncio.gather(*map(answer, (first, *waiting)), return_exceptions=True)

    return asyncio.run(gather())[1:]


def test_what_waits_while_an_attempt_is_under_way_shares_the_next_one(toy):
    assert ask(toy, *range(100)) == [f"kept {number}" for number in range(100)]
    assert toy.groups == [1, 100]
    assert toy.kept == ["first", *range(100)], "in the order in which it was asked for"


def test_what_keeps_all_of_a_group_out_is_met_once_and_not_by_each_half_of_it_again(toy):
    toy.shut = ValueError("somebody stays in the way")
    assert {str(one) for one in ask(toy, *range(100))} == {"explained: somebody stays in the way"}
    assert (toy.groups, toy.kept) == ([1, 100], ["first"])


def test_what_is_to_be_alone_shares_with_nobody_and_keeps_its_place(toy):
    submits = {0: toy.submit, 1: toy.submit, 2: toy.submit_alone, 3: toy.submit_alone, 4: toy.submit, 5: toy.submit}
    ask(toy, *submits, submit=lambda item: submits[item](keep, item))
    assert (toy.groups, toy.kept) == ([1, 2, 1, 1, 2], ["first", 0, 1, 2, 3, 4, 5])


def test_a_close_answers_who_waits_to_be_alone(toy):
    assert ask(toy, 0, 1, submit=lambda item: toy.submit_alone(keep, item)) == ["kept 0", "kept 1"]
    toy.close()
    with pytest.raises(EngineClosed):
        toy.submit_alone(keep, 2)


def test_one_that_fails_is_found_by_halving_and_costs_no_other_its_answer(toy):
    items = [*range(60), ValueError("bad"), *range(61, 100)]
    answers = ask(toy, *items)
    assert [number for number, one in enumerate(answers) if isinstance(one, Exception)] == [60]
    assert "explained: bad" in str(answers[60])
    assert toy.kept == ["first", *range(60), *range(61, 100)], "each once"
    assert len(toy.groups) < 20


def test_what_would_meet_each_half_as_well_is_tried_once(toy):
    answers = ask(toy, *range(50), Away("nobody answers"))
    assert {str(one) for one in answers} == {"explained: nobody answers"}
    assert toy.groups == [1, 51]


def test_what_fails_after_the_line_changes_nobodys_answer_and_is_told_once(toy, caplog):
    toy.afterthought = OSError("the bell is broken")
    with caplog.at_level(logging.WARNING, "forebay"):
        assert ask(toy, 1, 2) == ["kept 1", "kept 2"]
        assert ask(toy, 3) == ["kept 3"]
    assert toy.kept == ["first", 1, 2, "first", 3], "nothing is carried out again"
    assert [record.message for record in caplog.records if "the bell is broken" in record.message] == [
        "toy: committed, but what follows could not be told: the bell is broken"
    ]


def test_an_attempt_that_forgets_the_line_is_an_error_and_leaves_nobody_waiting(toy):
    toy.silent = True
    with pytest.raises(EngineError, match="bug in the engine"):
        asked(toy, 1)


def test_what_a_crowd_asks_for_is_carried_out_for_all_at_once_and_others_in_between_keep_their_place(toy):
    def submit(item):
        return toy.submit_to_crowd(keep_all, item) if isinstance(item, int) else toy.submit(keep, item)

    answers = ask(toy, 1, 2, "alone", 3, 4, submit=submit)
    assert answers == ["kept 1", "kept 2", "kept alone", "kept 3", "kept 4"]
    assert toy.kept == ["first", (1, 2), "alone", (3, 4)]


def test_groups_are_bounded_by_operations_and_by_messages(toy):
    ask(toy, *range(GROUP + 10))
    assert toy.groups == [1, GROUP, 10]
    toy.groups.clear()
    ask(toy, *([0] * (MESSAGES // 2) for _ in range(5)))
    assert toy.groups == [1, 2, 2, 1]


def test_the_main_thread_makes_its_own_attempt_unless_it_would_have_to_wait_for_somebody(toy):
    assert asked(toy, 1) == "kept 1"
    toy.alone = False
    assert asked(toy, 2) == "kept 2"
    assert toy.threads == [threading.get_ident(), toy._thread.ident]


def test_other_threads_never_do(toy):
    answers = []
    one = threading.Thread(target=lambda: answers.append(asked(toy, 1)))
    one.start()
    one.join(PATIENCE)
    assert (answers, toy.threads) == (["kept 1"], [toy._thread.ident])


def test_an_error_in_person_is_explained_and_leaves_nothing_behind(toy):
    with pytest.raises(EngineError, match="explained: bad"):
        asked(toy, ValueError("bad"))
    assert asked(toy, 1) == "kept 1"
    assert toy.kept == [1]


def test_a_close_commits_what_was_submitted_and_refuses_what_comes_later(toy):
    async def late():
        toy.free.clear()
        waiting = [toy.submit(keep, number) for number in range(10)]
        closing = threading.Thread(target=toy.close)
        closing.start()
        toy.free.set()
        answers = await asyncio.gather(*map(answer, waiting))
        await asyncio.to_thread(closing.join)
        return answers

    assert asyncio.run(late()) == [f"kept {number}" for number in range(10)]
    with pytest.raises(EngineClosed, match="open the app again"):
        toy.submit(keep, 11)


def test_nobody_has_to_be_there_any_more_when_it_happens(toy):
    async def leave():
        toy.free.clear()
        waiting = asyncio.ensure_future(answer(toy.submit(keep, 1)))
        await asyncio.sleep(0)
        waiting.cancel()
        toy.free.set()

    asyncio.run(leave())
    toy.close()
    assert toy.kept == [1]


def lazily(toy, item):
    """An item is kept by a group that a loss of power may take back for a moment."""

    async def ask_for_it():
        return await toy.submit_lazily(keep, item)

    return asyncio.run(ask_for_it())


def test_what_was_committed_lazily_is_made_safe_soon_by_the_thread(toy):
    assert lazily(toy, 1) == "kept 1"
    assert toy.safe.wait(PATIENCE)
    assert toy.tries == [toy._thread.ident]


def test_it_is_tried_again_if_that_fails_and_told(toy, caplog, monkeypatch):
    monkeypatch.setattr(turns, "AGAIN", 0.01)
    toy.afterthought = OSError("the disk is on fire")
    with caplog.at_level(logging.WARNING, "forebay"):
        assert lazily(toy, 1) == "kept 1"
        assert toy.safe.wait(PATIENCE)
    assert len(toy.tries) == 2
    assert any("whether it outlasts a loss of power" in record.message for record in caplog.records)


def test_nothing_is_owed_once_something_that_lasts_was_committed_or_the_engine_is_closed(toy):
    toy.soon = 1e6
    lazily(toy, 1)
    assert toy._due is not None
    asked(toy, 2)
    assert toy._due is None
    lazily(toy, 3)
    toy.close()
    assert len(toy.tries) == 1


def test_a_group_is_lazy_only_if_all_that_is_in_it_is(toy):
    toy.soon = 1e6
    ask(toy, 1, submit=lambda item: toy.submit_lazily(keep, item))
    assert toy._due is not None
    items = iter((toy.submit_lazily, toy.submit))
    ask(toy, 1, 2, submit=lambda item: next(items)(keep, item))
    assert toy._due is None


class Ends(BaseException):
    """Ends a thread."""


class Fatal(queue.SimpleQueue):
    """A queue that nobody can wait at."""

    def get(self, *_args, **_options):
        raise Ends


def test_a_thread_that_ends_tells_all_who_wait_for_it_and_all_who_come(toy, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    toy.free.clear()

    async def scene():
        first = toy.submit(keep, 1)
        await asyncio.to_thread(toy.begun.wait, PATIENCE)
        toy._queue = Fatal()
        waiting = [asyncio.ensure_future(answer(toy.submit(keep, n))) for n in range(2, 5)]
        await asyncio.sleep(0)
        toy.free.set()
        assert await first == "kept 1"
        told = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE)
        late = await asyncio.wait_for(asyncio.gather(answer(toy.submit(keep, 5)), return_exceptions=True), PATIENCE)
        return told + late

    told = [str(error) for error in asyncio.run(scene())]
    assert len(told) == 4
    assert all("its thread in this process has ended with Ends" in text for text in told), told
