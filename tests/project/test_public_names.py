"""What `forebay` exports is documented: each name, and each public method of each exported class."""

import inspect
import typing

import pytest

forebay = pytest.importorskip("forebay", reason="the package cannot be imported yet")


@pytest.mark.parametrize("name", sorted(getattr(forebay, "__all__", [])))
def test_a_public_name_says_what_it_is(name):
    thing = getattr(forebay, name)
    if not callable(thing):
        return
    silent = [] if inspect.getdoc(thing) else [name]
    if inspect.isclass(thing):
        silent += [
            f"{name}.{attribute}"
            for attribute, value in vars(thing).items()
            if not attribute.startswith("_")
            and (inspect.isfunction(value) or isinstance(value, property))
            and not inspect.getdoc(value)
        ]
    assert not silent, f"without a docstring: {', '.join(silent)}"


def results() -> dict[str, object]:
    """What users are given: by public methods of public classes, and by their fields."""
    own = {"Registry", "Forebay", "Task", "Handle", "Call", "Using", "Context", "Message", "Found", "Depth", "Delivery"}
    found: dict[str, object] = {}
    for name in sorted(own):
        kind = getattr(forebay, name)
        names = {"Producer": object, "Task": forebay.Task, "Handle": forebay.Handle, "Snooze": forebay.Snooze}
        for attribute, value in [(a, v) for k in kind.__mro__ for a, v in vars(k).items() if not a.startswith("_")]:
            function = value.fget if isinstance(value, property) else inspect.unwrap(value) if callable(value) else None
            if inspect.isfunction(function) and f"{name}.{attribute}" not in INTERNAL:
                found[f"{name}.{attribute}"] = typing.get_type_hints(function, localns=names).get("return")
        for field, hint in typing.get_type_hints(kind, localns=names).items():
            found[f"{name}.{field}"] = hint
    return found


#: Decorators give back what they were given; the rest holds an app together.
INTERNAL = {f"{name}.{part}" for name in ("Forebay", "Registry") for part in ("task", "periodic", "consume")} | {
    "Registry.producer", "Registry.rows", "Task.messages", "Task.producer",
}  # fmt: skip


def within(hint: object) -> set[type]:
    parts = typing.get_args(hint)
    origin = typing.get_origin(hint)
    here = {one for one in (hint, origin) if isinstance(one, type)}
    return here.union(*(within(part) for part in parts)) if parts else here


@pytest.mark.parametrize(("where", "hint"), results().items())
def test_the_type_of_what_a_user_is_given_is_public(where, hint):
    ours = {
        kind for kind in within(hint) if kind.__module__.startswith("forebay") and not kind.__name__.startswith("_")
    }
    public = {id(getattr(forebay, name)) for name in forebay.__all__}
    hidden = {kind.__name__ for kind in ours if id(kind) not in public}
    assert not hidden, f"{where} gives {hidden}, which `forebay` does not export"
