"""What `dead redrive` says of a dead letter that it could not redrive, and of one that a fleet ran at once."""

from msgspec.structs import replace

from forebay.cli.dead import _still_dead
from forebay.model.lifecycle import State
from forebay.store.records import Found

LETTER = Found(id="1", queue="q", task="t", state=State.DEAD, unique="once", finished=10.0)


def test_a_dead_letter_that_was_left_as_it_was_is_told():
    assert _still_dead({"1": LETTER}, {"1": LETTER}) == [
        "1: stays dead, for its unique key once is taken by a message that waits or runs"
    ]


def test_one_that_was_redriven_and_has_failed_anew_is_not():
    assert _still_dead({"1": LETTER}, {"1": replace(LETTER, finished=10.1)}) == []
