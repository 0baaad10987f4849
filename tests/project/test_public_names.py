"""What `forebay` exports is documented: each name, and each public method of each exported class."""

import inspect

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
