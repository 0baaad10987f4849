"""What is said of a message that its task has put off."""

import pytest

from forebay.flow.snooze import put_off


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        (1, "snooze for 30 s, because of a lock, begun once so far"),
        (1_000, "snooze for 30 s, because of a lock, begun 1,000 times so far"),
        (1_795_699_293_390_941, "snooze for 30 s, because of a lock"),  # the fence of an engine that counts all leases
    ],
)
def test_it_says_how_often_it_was_begun_where_that_is_known(begun, says):
    assert put_off(30, begun, "a lock").reason == says
