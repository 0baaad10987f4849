"""Two functions of one name are refused wherever they come from; the same one, imported or run again, is not."""

import functools
import importlib
import runpy
import sys
import textwrap

import pytest

from forebay import ConfigError, Registry
from forebay.produce.origin import origin, same

TASKS = """
    from shared_registry import tasks

    @tasks.task
    def send(to: str) -> str: return to

    @tasks.periodic("*/5 * * * *")
    @tasks.periodic("@daily")
    def tidy() -> None: ...

    @tasks.consume("clicks")
    def load(messages) -> None: ...

    @tasks.on_start
    def connect() -> None: ...
"""


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def folder(tmp_path, monkeypatch, registry):
    """A folder for modules, and the registry that they all declare in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    write(tmp_path, "shared_registry", "")
    sys.modules["shared_registry"] = importlib.import_module("shared_registry")
    sys.modules["shared_registry"].tasks = registry
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder, name, text):
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    importlib.invalidate_caches()


def test_a_module_that_is_reloaded_declares_the_same_again(folder, registry):
    write(folder, "shop", TASKS)
    shop = importlib.import_module("shop")
    first = shop.send
    importlib.reload(shop)
    assert registry.tasks["send"] is shop.send is not first
    write(folder, "shop", "# a line more\nimport functools\n" + textwrap.dedent(TASKS))
    importlib.reload(shop)
    assert registry.tasks["send"] is shop.send
    assert sorted(registry.schedules) == ["tidy", "tidy-2"]
    assert list(registry.on_start) == [shop.connect]


def test_a_schedule_that_a_reload_no_longer_has_is_gone(folder, registry):
    write(folder, "shop", TASKS)
    shop = importlib.import_module("shop")
    write(folder, "shop", TASKS.replace('@tasks.periodic("@daily")', "# it was daily too"))
    importlib.reload(shop)
    assert list(registry.schedules) == ["tidy"]


def test_a_module_that_is_imported_anew_declares_the_same_again(folder, registry):
    write(folder, "shop", TASKS)
    importlib.import_module("shop")
    del sys.modules["shop"]
    again = importlib.import_module("shop")
    assert registry.tasks["send"] is again.send


def test_a_file_that_is_run_and_imported_declares_the_same_twice(folder, registry):
    write(folder, "shop", TASKS)
    runpy.run_path(str(folder / "shop.py"), run_name="__main__")
    again = importlib.import_module("shop")
    assert registry.tasks["send"] is again.send


def test_a_cell_that_is_run_again_changed_or_not_declares_the_same(registry):
    cell = "@tasks.task\ndef send(): return 1\n"
    space = {"tasks": registry, "__name__": "__main__"}
    for text, name in ((cell, "<cell 1>"), (cell, "<cell 1>"), ("\n\n" + cell, "<cell 2>"), (cell, "<stdin>")):
        exec(compile(text, name, "exec"), space)
        assert registry.tasks["send"] is space["send"]


def test_a_decorated_function_is_known_by_what_it_decorates(folder, registry):
    write(
        folder,
        "timing",
        """
        import functools

        def timed(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs): return function(*args, **kwargs)
            return wrapper

        def nameless(function):
            def wrapper(x: int) -> int: return function(x)
            return wrapper
        """,
    )
    text = """
        from shared_registry import tasks
        from timing import nameless, timed

        @tasks.task
        @timed
        def one(x: int) -> int: return x

        @tasks.task
        @timed
        def two(x: int) -> int: return x

        @tasks.task(name="three")
        @nameless
        def three(x: int) -> int: return x
    """
    write(folder, "shop", text)
    shop = importlib.import_module("shop")
    importlib.reload(shop)
    assert sorted(registry.tasks) == ["one", "three", "two"]
    write(folder, "other", text.replace('"three"', '"four"').replace("def three", "def four"))
    with pytest.raises(ConfigError, match="two tasks are named 'one'"):
        importlib.import_module("other")


def refused(registry, first, second):
    """Whether a second function under the name of the first is refused, and the first is kept."""
    kept = registry.task(name="same")(first)
    with pytest.raises(ConfigError, match="two tasks are named 'same'"):
        registry.task(name="same")(second)
    assert registry.tasks["same"] is kept


def test_what_a_factory_makes_is_another_function_each_time_unless_it_is_alike(registry):
    def scaled(factor):
        def scale(x: int) -> int:
            return x * factor

        return scale

    refused(registry, scaled(2), scaled(3))
    assert registry.task(name="same")(scaled(2))(4) == 8


def test_what_a_factory_makes_with_defaults_is_another_function_too(registry):
    def scaled(factor):
        def scale(x: int, by: int = factor, *, and_by: int = factor) -> int:
            return x * by * and_by

        return scale

    refused(registry, scaled(2), scaled(3))


def test_what_a_loop_makes_is_another_function_each_time(registry):
    made = []
    for number in (1, 2):

        def one(x: int, number: int = number) -> int:
            return x * number

        made.append(one)
    refused(registry, *made)


def test_what_a_decorator_without_wraps_makes_is_another_function_each_time(registry):
    def timed(function):
        def wrapper(x: int) -> str:
            return function(x)

        return wrapper

    refused(registry, timed(lambda x: f"charged {x}"), timed(lambda x: f"refunded {x}"))


def test_objects_that_can_be_called_are_told_apart():
    class Sender:
        def __call__(self, x: int) -> int:
            return x

    one = Sender()
    assert same(origin(one), origin(one))
    assert not same(origin(one), origin(Sender()))


def test_two_partials_of_one_function_are_told_apart(registry):
    def send(a: int, x: int) -> int:
        return a * x

    one = functools.partial(send, 1)
    try:
        registry.task(name="same")(one)
    except ConfigError:
        return  # partials are not taken at all
    registry.task(name="same")(one)
    with pytest.raises(ConfigError, match="two tasks are named 'same'"):
        registry.task(name="same")(functools.partial(send, 2))


def test_two_functions_of_two_modules_and_two_of_one_module_are_refused(folder, registry):
    write(folder, "a", "from shared_registry import tasks\n@tasks.task\ndef send(): ...\n")
    write(folder, "b", "from shared_registry import tasks\n@tasks.task\ndef send(): ...\n")
    importlib.import_module("a")
    with pytest.raises(ConfigError, match=r"two tasks are named 'send' \(line 2: a.send and line 2: b.send\)"):
        importlib.import_module("b")
    write(folder, "c", "from shared_registry import tasks\nd = tasks.task\n@d\ndef s(): ...\n@d\ndef s(): ...\n")
    with pytest.raises(ConfigError, match="two tasks are named 's'"):
        importlib.import_module("c")


def test_one_function_declared_twice_is_one_task_if_it_is_declared_alike(registry):
    def send() -> None: ...

    assert registry.task(send) is registry.task(send)
    with pytest.raises(
        ConfigError, match=r"task 'send' .* is declared twice, with other options: give one another name"
    ):
        registry.task(queue="other")(send)
    other = registry.task(name="send-elsewhere", queue="other")(send)
    assert (other.name, other.waiting.queue) == ("send-elsewhere", "other")


def test_a_queue_has_one_consumer_or_tasks(registry):
    def consumer():
        @registry.consume("clicks")
        def load(messages) -> None:
            consumer()

        return load

    consumer()
    with pytest.raises(ConfigError, match="queue 'clicks' has a consumer already: load"):

        @registry.consume("clicks")
        def other(messages) -> None: ...

    says = "queue 'clicks' has a consumer, load, which would be handed the messages of task 'count' too"
    with pytest.raises(ConfigError, match=says):

        @registry.task(queue="clicks")
        def count() -> None: ...

    registry.task(name="count", queue="counts")(lambda: None)
    with pytest.raises(ConfigError, match=r"queue 'counts' has a consumer, .* would be handed the messages of task"):

        @registry.consume("counts")
        def third(messages) -> None: ...


def test_schedules_of_one_task_have_names_of_their_own(registry):
    @registry.periodic("@hourly", name="often")
    @registry.periodic("@daily")
    @registry.periodic("@weekly")
    @registry.task
    def report() -> None: ...

    assert {name: planned.cron for name, planned in registry.schedules.items()} == {
        "report": "@weekly",
        "report-2": "@daily",
        "often": "@hourly",
    }
    with pytest.raises(ConfigError, match="two schedules are named 'often'"):
        registry.periodic("@monthly", name="often")(report)

    @registry.task
    def other() -> None: ...

    with pytest.raises(ConfigError, match=r"two schedules are named 'report' \(of task 'report' and of task 'other'\)"):
        registry.periodic("@monthly", name="report")(other)


def test_a_schedule_that_is_declared_again_alike_is_one(registry):
    @registry.task
    def report() -> None: ...

    registry.periodic("@daily")(report)
    registry.periodic("@daily")(report)
    assert list(registry.schedules) == ["report"]


def test_a_schedule_is_of_a_task_that_is_declared_here(registry):
    other = Registry()

    @other.task
    def report() -> None: ...

    with pytest.raises(ConfigError, match="task report is of another registry: include that one first"):
        registry.periodic("@daily")(report)
    registry.include(other)
    registry.periodic("@daily")(report)
    assert list(registry.schedules) == ["report"]
