"""What `forebay resume` answers: how it stands afterwards, and which command is missing if that is still paused."""

import pytest

from forebay.cli.queues import resumed
from forebay.control import Paused
from forebay.model.gate import Gate

HERE, EVERYWHERE = Gate("q", task="f"), Gate("", task="f")


#: Of another task or queue, of a lane, of a whole queue.
OTHERS = [Gate("q", task="g"), Gate("p", task="f"), Gate("q", "f"), Gate("q")]


@pytest.mark.parametrize(
    ("what", "before", "left", "said"),
    [
        (Paused("q", task="f"), [HERE], [], "open"),
        (Paused("", task="f"), [EVERYWHERE], [], "open"),
        (
            Paused("q", task="f"),
            [Gate("q", task="g"), Gate("p", task="f"), Gate("q", "f"), Gate("q")],
            [],
            "was not paused",
        ),
        (Paused("", task="f"), [HERE, EVERYWHERE], [HERE], "still paused in q: `forebay resume q --task f`"),
        (
            Paused("q", task="f"),
            [HERE, EVERYWHERE],
            [EVERYWHERE],
            "still paused in all queues: `forebay resume --task f`",
        ),
        (Paused("q"), [Gate("q")], [Gate("q", holder="breaker")], "still paused in q by breaker"),
        (
            Paused("q"),
            [Gate("q")],
            [Gate("q", holder="rule r1")],
            "still paused in q by rule r1: `forebay rules remove r1`",
        ),
        (Paused("q", key="k"), [], [Gate("q", key="j")], "was not paused"),
    ],
)
def test_it_says_how_it_stands(what, before, left, said):
    assert resumed(what, before, left) == said
