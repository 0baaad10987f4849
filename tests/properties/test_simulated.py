"""All policies of flow together in virtual time, some two hundred stories: see `simulated`."""

import logging
import os

import pytest

from properties.simulated import play

#: Stories of each block; FOREBAY_PROPERTIES=10000 plays so many of each.
SEEDS = int(os.environ.get("FOREBAY_PROPERTIES", "") or 30)


@pytest.mark.parametrize("block", range(8))
def test_whatever_goes_wrong_bounds_hold_no_attempt_is_lost_and_all_of_it_ends(block):
    logging.getLogger("forebay").setLevel(logging.CRITICAL)
    try:
        play(range(block * SEEDS, block * SEEDS + SEEDS))
    finally:
        logging.getLogger("forebay").setLevel(logging.NOTSET)


def test_a_story_that_is_told_again_is_the_same(capsys):
    told = []
    for _ in range(2):
        play([7], tells=True)
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != ""
