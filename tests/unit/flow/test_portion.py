"""How a lease is divided among queues: a fair share for each, little looked at twice, and few begin before many."""

from operator import itemgetter
from typing import NamedTuple

import pytest

from forebay.flow.portion import LANES, few_first, in_turn, line_up, portion, room


class One(NamedTuple):
    queue: str
    number: int


def taken(limit, has, turn=0):
    """What each part gives to a lease, if all are asked once; `has` says how much there is in each."""
    line, left, given = line_up(list(has), [], limit, turn), limit, {}
    for asked, part in enumerate(line):
        given[part] = min(has[part], portion(left, len(line) - asked))
        left -= given[part]
    return given


def test_each_part_is_asked_for_an_equal_share():
    assert taken(90, {"a": 1_000, "b": 1_000, "c": 1_000}) == {"a": 30, "b": 30, "c": 30}


def test_what_one_leaves_goes_to_those_behind_it():
    assert taken(90, {"a": 1, "b": 1_000, "c": 1_000}) == {"a": 1, "b": 45, "c": 44}


def test_what_is_quick_is_asked_before_what_costs_a_look_for_each_lane_in_every_lease():
    lines = [line_up(["q", "r"], ["lanes", "more"], 10, turn) for turn in range(4)]
    assert all(set(line[:2]) == {"q", "r"} for line in lines)
    assert {line[0] for line in lines} == {"q", "r"}
    assert {line[2] for line in lines} == {"lanes", "more"}


@pytest.mark.parametrize("limit", [1, 2])
def test_where_there_is_not_one_for_each_part_all_come_first_in_turn(limit):
    assert {line_up(["q"], ["lanes", "more"], limit, turn)[0] for turn in range(3)} == {"q", "lanes", "more"}


def test_a_lease_takes_of_so_many_lanes_only_where_others_are_asked_for():
    assert room(1_000, parts=1) == 1_000
    assert room(1_000, parts=2) == LANES
    assert room(5, parts=2) == 5


def test_one_message_begins_before_many_that_came_with_it_and_each_queue_keeps_its_order():
    many = [One("many", number) for number in range(50)]
    few = [One("few", 1), One("few", 2)]
    assert few_first([*many[:20], *few, *many[20:]]) == [*few, *many]


def test_messages_of_one_queue_begin_as_they_came():
    many = [One("q", number) for number in (3, 1, 2)]
    assert few_first(many) == many


def first_of_each_lease(places, leases, limit):
    """What leases of so many places each begin with, one after another."""
    return [in_turn(places, itemgetter(0), turn)[:limit] for turn in range(0, leases * limit, limit)]


def test_what_is_alone_in_its_queue_is_among_the_first_whatever_the_turn():
    places = [*(("many", lane) for lane in range(100)), ("one", 0)]
    assert all(("one", 0) in first for first in first_of_each_lease(places, 300, 2))


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.parametrize("many", [1, 2, 7, 99, 100])
def test_every_place_comes_in_its_turn(many, limit):
    places = [*(("many", lane) for lane in range(many)), ("one", 0), ("two", 0), ("two", 1)]
    came = {place for first in first_of_each_lease(places, 20 * (many + 3), limit) for place in first}
    assert came == {*places}
