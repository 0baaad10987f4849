"""How long a message waits whose task nobody here knows."""

from forebay.flow.unknown import LEAST, MOST, pause


def test_it_comes_back_soon_at_first_and_then_after_a_quarter_of_what_it_has_waited():
    assert pause(0.0, 0.0, 0.5) == LEAST
    assert pause(40.0, 0.0, 0.5) == 10.0
    assert pause(100_000.0, 0.0, 0.5) == MOST


def test_very_many_come_back_no_faster_than_a_worker_looks_at_them():
    assert pause(0.0, 500.0, 0.5) == 500.0


def test_those_that_were_handed_back_together_do_not_come_back_together():
    assert pause(10.0, 0.0, 0.0) < pause(10.0, 0.0, 0.5) < pause(10.0, 0.0, 0.999)
