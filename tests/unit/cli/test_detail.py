"""What a line about a message says of it in its state."""

import pytest

from forebay.cli.messages import detail
from forebay.model.lifecycle import State
from forebay.store.records import Found


@pytest.mark.parametrize(("started", "said"), [(97.0, "for 3s, by w"), (100.5, "for 0s, by w"), (None, "for 0s, by w")])
def test_one_that_has_begun_since_the_clock_was_read_runs_for_no_time(started, said):
    found = Found(id="1", queue="q", task="t", state=State.RUNNING, started=started, worker="w")
    assert detail(found, 100.0) == said
