"""Where a message comes from is known wherever it was made: on the loop, in threads, processes and consumers."""

import subprocess
import sys

import pytest

from fleet import Place, until

APP = """
import asyncio
import concurrent.futures
import contextvars

from forebay import Context, Forebay

app = Forebay()


@app.task(queue="leaves")
def leaf(of: str) -> None: ...


@app.task(queue="leaves", cpu=True)
def apart(of: str) -> None:
    leaf.enqueue(of)


@app.task
async def on_the_loop(of: str) -> None:
    await leaf.aenqueue(of)


@app.task
def in_a_thread(of: str) -> None:
    leaf.enqueue(of)


@app.task
async def in_a_thread_of_its_own(of: str) -> None:
    await asyncio.to_thread(leaf.enqueue, of)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, leaf.enqueue, of + " too").result()


@app.task
def in_threads_that_know_nothing(context: Context, of: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(context.enqueue, leaf, of).result()
        pool.submit(asyncio.run, context.aenqueue(leaf, of + " too")).result()


@app.task(retry=1)
def failing(of: str) -> None:
    raise ValueError(of)


@app.on_failure
def clean_up(context: Context, error: BaseException, outcome: object) -> None:
    context.enqueue(leaf, str(error))


@app.task(cpu=True, queue="cpu")
def in_a_process(of: str) -> None:
    leaf.enqueue(of)


@app.consume("clicks", batch=10, max_wait=0.05)
async def load(messages) -> None:
    await leaf.aenqueue(messages[0].value)
    assert Context.current().id == messages[0].id


@app.consume("views", batch=10, max_wait=0.05)
def look(messages) -> None:
    in_a_thread.enqueue(messages[0].value)
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "family.py").write_text(APP)
    made = Place(tmp_path, tmp_path / "family.py")
    yield made
    made.close()


def test_a_child_knows_its_parent_its_root_and_the_task_and_queue_that_made_it(place):
    crew, app = place.crew, place.crew.app
    queues = "default,cpu,clicks,views"  # nobody serves the leaves, which wait to be looked at
    with place.fleet("-Q", queues, "--cpu", "1"):
        for name, queue in (("on_the_loop", "default"), ("in_a_thread", "default"), ("in_a_process", "cpu")):
            parent = getattr(crew, name).enqueue(name)
            (child,) = children(app, name)
            assert (child["root"], child["parent"], child["origin"]) == (parent.id, parent.id, (queue, name))
        parent = crew.in_a_thread_of_its_own.enqueue("own")
        for of in ("own", "own too"):
            (child,) = children(app, of)
            assert (child["parent"], child["origin"]) == (parent.id, ("default", "in_a_thread_of_its_own"))
        click = app.publish("clicks", "click")
        (child,) = children(app, "click")
        assert (child["root"], child["parent"], child["origin"]) == (click.id, click.id, ("clicks", "load"))
        view = app.publish("views", "view")
        (grandchild,) = children(app, "view")
        assert (grandchild["root"], grandchild["origin"]) == (view.id, ("default", "in_a_thread"))
        assert grandchild["parent"] != view.id
        said = forebay(place, "messages", grandchild["id"])
        assert f"made by   in_a_thread of queue default: {grandchild['parent']}, of the family of {view.id}\n" in said


def test_what_is_enqueued_by_a_context_comes_from_its_task_in_any_thread_and_in_a_hook(place):
    crew, app = place.crew, place.crew.app
    with place.fleet("-Q", "default"):
        parent = crew.in_threads_that_know_nothing.enqueue("own")
        for of in ("own", "own too"):
            (child,) = children(app, of)
            assert (child["parent"], child["origin"]) == (parent.id, ("default", "in_threads_that_know_nothing"))
        parent = crew.failing.enqueue("failed")
        (child,) = children(app, "failed")
        assert (child["parent"], child["origin"]) == (parent.id, ("default", "failing"))


def children(app, of):
    """The leaves of that name, once there are some, with what they say of their family."""
    codec = app.registry.tasks["leaf"].codec

    def look():
        return [one for one in app.messages(queue="leaves") if codec.named(one.body)["of"] == of]

    return [
        {
            "id": found.id,
            "root": one["forebay-root"],
            "parent": one["forebay-parent"],
            "origin": (one["forebay-origin"], one["forebay-origin-task"]),
        }
        for found in until(look, f"the children of {of}")
        if (one := found.headers)
    ]


def forebay(place, *words):
    command = [sys.executable, "-m", "forebay", *words, "-A", place.locator]
    return subprocess.run(command, env=place.environment, capture_output=True, text=True, timeout=60, check=True).stdout
