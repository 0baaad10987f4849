"""The life of a message, as one table: what holds of it whatever it says in detail."""

from itertools import product

import pytest

from forebay.model.errors import IllegalMove
from forebay.model.lifecycle import FINAL, LIVE, REFUNDS, TABLE, Move, State, mermaid, move
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Lose, Park, Release, Reroute, Retry, Snooze

OUTCOMES = (Ack, Retry, Snooze, Park, Reroute, DeadLetter, Discard, Cancel, Expire, Release, Lose)
PUBLISHED = {State.READY, State.SCHEDULED}


def reachable(start: set[State]) -> set[State]:
    """The states that some sequence of moves leads to."""
    found = set(start)
    while more := {end for (state, _), end in TABLE.items() if state in found} - found:
        found |= more
    return found


def test_every_state_is_live_or_final_and_none_is_both():
    assert set(State) == LIVE | FINAL
    assert not LIVE & FINAL
    assert len(FINAL) == 5


def test_every_state_can_be_reached_from_a_publish():
    assert reachable(PUBLISHED) == set(State)


@pytest.mark.parametrize("state", sorted(LIVE))
def test_every_live_state_can_still_come_to_every_end(state):
    assert reachable({state}) >= FINAL


def test_only_the_dead_come_back_and_only_by_redrive_or_discard():
    assert {(state, what): end for (state, what), end in TABLE.items() if state in FINAL} == {
        (State.DEAD, Move.REDRIVE): State.READY,
        (State.DEAD, Move.DISCARD): State.DISCARDED,
    }


def test_every_move_is_used():
    assert {what for _, what in TABLE} == set(Move)


def test_a_move_leads_to_the_same_state_wherever_it_starts():
    ends = {what: {end for (_, used), end in TABLE.items() if used is what} for what in Move}
    assert all(len(states) == 1 for states in ends.values())


def test_only_a_lease_makes_a_message_run_and_only_of_one_that_is_ready():
    assert [pair for pair, end in TABLE.items() if end is State.RUNNING] == [(State.READY, Move.LEASE)]


@pytest.mark.parametrize("state", sorted(LIVE - {State.RUNNING}))
def test_whatever_waits_can_be_cancelled_expired_and_discarded(state):
    assert move(state, Move.CANCEL) is State.CANCELLED
    assert move(state, Move.EXPIRE) is State.EXPIRED
    assert move(state, Move.DISCARD) is State.DISCARDED


@pytest.mark.parametrize(("state", "what"), sorted(set(product(State, Move)) - set(TABLE)))
def test_a_pair_outside_the_table_raises_and_names_both(state, what):
    with pytest.raises(IllegalMove, match=f"a {state} message cannot {what}"):
        move(state, what)


@pytest.mark.parametrize(("pair", "end"), TABLE.items())
def test_a_pair_of_the_table_leads_where_it_says(pair, end):
    assert move(*pair) is end


def test_the_attempt_is_handed_back_where_the_handler_was_not_at_fault():
    assert {Move.SNOOZE, Move.PARK, Move.RELEASE, Move.REROUTE} == REFUNDS
    assert all((State.RUNNING, what) in TABLE for what in REFUNDS)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_a_move_of_a_running_message(outcome):
    assert (State.RUNNING, outcome.move) in TABLE


def test_whatever_becomes_of_a_running_message_is_an_outcome_save_quarantine_which_the_engine_decides():
    moves = {what for state, what in TABLE if state is State.RUNNING}
    assert moves - {outcome.move for outcome in OUTCOMES} == {Move.QUARANTINE}


def test_the_picture_has_every_move_of_the_table():
    picture = mermaid()
    assert picture.startswith("stateDiagram-v2")
    assert all(f"{start} --> {end} : {what}" in picture for (start, what), end in TABLE.items())
