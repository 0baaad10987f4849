"""How long a message waits whose task nobody here knows."""

from forebay.flow.unknown import LEAST, MOST, pause


def test_it_comes_back_soon_at_first_and_then_after_a_quarter_of_what_it_has_waited():
    assert pause(0.0, 0.0, 0.5, 7.0) == LEAST
    assert pause(40.0, 0.0, 0.5, 7.0) == 10.0
    assert pause(100_000.0, 0.0, 0.5, 7.0) == MOST


def test_very_many_come_back_no_faster_than_a_worker_looks_at_them():
    assert 500.0 <= pause(0.0, 500.0, 0.5, 0.0) < 520.0


def test_very_many_come_back_in_bunches():
    assert {7.0 + pause(0.0, 500.0, draw / 100, 7.0) for draw in range(5)} == {272.0, 288.0}
    assert (7.0 + pause(0.0, 10.0, 0.3, 7.0)) % 1.0 == 0.0


def test_those_that_were_handed_back_together_do_not_come_back_together():
    assert pause(10.0, 0.0, 0.0, 7.0) < pause(10.0, 0.0, 0.5, 7.0) < pause(10.0, 0.0, 0.999, 7.0)
