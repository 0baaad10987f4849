"""What a worker process says of the error that ends it comes out of its parent as the same cause, and the same code."""

import msgspec
import pytest

from forebay.cli.failing import report
from forebay.model import errors
from forebay.work.link import Broken, broken

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ForebayError)
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_ends_with_the_code_of_any_other_command(kind, capsys):
    error = kind("it is full of eels")
    told = msgspec.json.decode(msgspec.json.encode(broken(error)), type=Broken)
    assert report(told.error()) == report(error)
    first, second = capsys.readouterr().err.splitlines()
    assert first == second


def test_what_the_app_raises_is_its_own_mistake():
    assert isinstance(broken(RuntimeError("its hook failed")).error(), errors.ConfigError)
