"""Rows of the table of bad input: arguments that do not fit, results and exceptions of every kind."""

import msgspec
import pytest

from forebay import BadArguments, Forebay, PayloadTooLarge
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message

pack = msgspec.msgpack.encode


@pytest.fixture(autouse=True)
def worker_lives(shared):
    """No row costs the worker its process, and good messages run after it."""
    before = shared.pids
    yield
    shared.still_works()
    assert shared.pids == before


KINDS = ["silent", "exiting", "long", "surrogates", "nul", "unpicklable", "base", "interrupt", "exit", "generator",
         "stop", "async-stop", "cancelled", "nameless", "unspoken", "placeless", "unspoken-group", "chain",
         "asked", "asked-before", "asked-group", "lying", "causeless",
         "group", "dead-letter", "long-dead-letter",
         "silent-dead-letter"]  # fmt: skip


def test_any_exception_is_a_dead_letter_with_its_cause_wherever_the_task_runs(shared):
    tasks = [shared.crew.fail, shared.crew.fail_in_thread, shared.crew.fail_in_process]
    handles = {(kind, task.name): task.enqueue(kind) for kind in KINDS for task in tasks}
    for (kind, name), handle in handles.items():
        found = shared.death(handle)
        assert found.cause, (kind, name)
        assert len(found.cause) <= 5_000, (kind, name)
        assert found.lost == 0, (kind, name, found.cause)
        assert found.failure.type, (kind, name)
        assert len(found.failure.traceback) <= 20_000, (kind, name)


@pytest.mark.parametrize("task", ["fail", "fail_in_thread", "fail_in_process"])
def test_a_traceback_begins_where_the_users_code_does(shared, task):
    found = shared.death(getattr(shared.crew, task).enqueue("nul"))
    first = found.failure.traceback.splitlines()[1]
    assert f'{shared.crew.__file__}", line' in first, found.failure.traceback


def test_any_exception_of_a_consumer_is_a_dead_letter_or_hands_the_batch_back(shared):
    for kind in [kind for kind in KINDS if kind != "cancelled"]:
        found = shared.death(shared.crew.app.publish("bad-clicks", kind))
        assert found.cause, kind
        assert found.lost == 0, kind


@pytest.mark.parametrize("task", ["answer", "answer_in_thread", "answer_in_process"])
def test_a_result_that_cannot_be_kept_is_a_dead_letter_with_its_cause(shared, task):
    handles = {kind: getattr(shared.crew, task).enqueue(kind) for kind in shared.crew.RESULTS}
    for kind, handle in handles.items():
        found = shared.death(handle)
        assert ("result" in found.cause, found.lost) == (True, 0), (kind, found.cause)


def test_a_result_of_the_wrong_type_is_a_dead_letter_that_names_the_type(shared):
    assert "Expected `int`, got `str`" in shared.death(shared.crew.answer_wrongly.enqueue()).cause
    assert "no such order" in shared.death(shared.crew.answer_fussily.enqueue(-1)).cause


def test_arguments_that_do_not_fit_are_refused_when_enqueued(shared):
    crew = shared.crew
    for args in [(), (1,), (1, 2, 3), ("one", 2), (None, None), (1.5, 2), (2**70, 1)]:
        with pytest.raises(BadArguments, match=r"task add: .*it takes \(a: int, b: int\)"):
            crew.add.enqueue(*args)
    with pytest.raises(BadArguments, match=r"task fail: .*surrogates"):
        crew.fail.enqueue("\ud83d")
    with pytest.raises(BadArguments, match="no such order"):
        crew.take_order.enqueue(broken(crew.Order(0), number=-1))
    with pytest.raises(PayloadTooLarge, match="store the data elsewhere"):
        crew.fail.enqueue("x" * 2_000_000)


def broken(value, **changes):
    """A value that its own constructor would not have let through."""
    for name, changed in changes.items():
        setattr(value, name, changed)
    return value


def raw(shared, task, body, **also):
    """A message that no producer of today's code makes: of an older version, or of somebody else."""
    message = Message(id=new_id(), queue=task.waiting.queue, task=task.name, body=body, **also)
    shared.place.ask("publish", [message])
    return shared.crew.app.handle(message.id)


def test_arguments_of_an_older_version_that_do_not_fit_any_more_are_a_dead_letter(shared):
    crew = shared.crew
    for task in (crew.add, crew.add_in_thread, crew.add_in_process):
        for body in (
            {"a": 1},
            {"a": 1, "b": "two"},
            {"a": None, "b": 2},
            {"a": 1, "b": 2, "c": 3},
            [1, 2],
            None,
            2**63,
        ):
            found = shared.death(raw(shared, task, pack(body)))
            assert found.cause.startswith(f"bad arguments: task {task.name}: "), found.cause
            assert "it takes (a: int, b: int)" in found.cause


def test_a_validator_that_raises_anything_makes_a_dead_letter_and_not_a_dead_worker(shared):
    crew = shared.crew
    assert "no such order" in shared.death(raw(shared, crew.take_order, pack({"order": {"number": -1}}))).cause
    for name, said in (
        ("key", "a validator that does not raise ValueError"),
        ("exit", "a validator that wants to leave"),
    ):
        found = shared.death(raw(shared, crew.take_fussy, pack({"fussy": {"name": name}})))
        assert said in found.cause
        assert found.lost == 0


def test_a_message_for_a_task_of_another_app_on_the_same_file_is_a_dead_letter_if_it_does_not_fit(shared):
    """Two apps may share a file if they do not share a queue; if they do, each runs what bears the name of its own."""
    other = Forebay(shared.place.url)

    @other.task(name="add")
    def greet(name: str) -> str:
        return name

    found = shared.death(greet.enqueue("aunt"))
    assert found.cause.startswith("bad arguments: task add: ")

    @other.task(name="subtract")
    def subtract(a: int, b: int) -> int:
        return a - b

    found = shared.death(subtract.enqueue(2, 1))
    assert found.cause == "unknown task 'subtract': no app of this worker registers it"
    drive(other.close())


def test_progress_that_cannot_be_kept_is_logged_and_does_not_stop_the_task(shared):
    assert shared.crew.tell_bad_progress.enqueue().result(30) is None
    assert "is not kept" in shared.fleet.said


def test_long_arguments_and_results_reach_a_process_and_come_back_whole(shared):
    """Up to the limit of a payload, which is far more than a pipe takes at once."""
    handles = [shared.crew.echo_in_process.enqueue(letter * 1_000_000) for letter in "abcdef"]
    assert [handle.result(30) for handle in handles] == [letter * 1_000_000 for letter in "abcdef"]
    assert {shared.place.found(handle).attempt for handle in handles} == {1}
