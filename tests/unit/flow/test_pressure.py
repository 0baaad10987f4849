"""A full queue holds the tasks that feed it and nobody else, and never one that could make room in it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.flow.cycles import components
from forebay.flow.pressure import AGED, Level, held_for, judge, marks
from forebay.model.topology import Feed, Mark, Over, Stage

NOW = 10_000.0


def feed(source, task="", made="", *, consumer=False, ago=0.0):
    return Feed(source, task or f"t{source}", consumer, made, NOW - ago)


def stage(queue, *feeds, **more):
    return Stage(queue=queue, feeds=feeds, **more)


def full(n=100, limit=100, **more):
    return Level(waiting=n, limit=limit, **more)


def held(stages, levels, now=NOW):
    return [(hold.queue, hold.task) for hold in judge(stages, levels, now).holds]


CHAIN = [stage("b", feed("a")), stage("c", feed("b")), stage("d", feed("c"))]


def test_a_full_queue_holds_the_task_that_feeds_it_and_says_why():
    judged = judge(CHAIN, {"d": full()}, NOW)
    (hold,) = judged.holds
    assert (hold.queue, hold.task) == ("c", "tc")
    assert hold.reason == "queue d is at 100 of 100, fed by task tc"
    assert judged.over == {"d": Over(NOW, 0)}


def test_it_travels_back_as_queues_fill():
    assert held(CHAIN, {"d": full(), "c": full(), "b": full(50)}) == [("b", "tb"), ("c", "tc")]
    assert held(CHAIN, {"d": full(), "c": full(), "b": full()}) == [("a", "ta"), ("b", "tb"), ("c", "tc")]


def test_neighbours_in_the_same_queue_go_on():
    feeds = [feed("a", "send"), feed("a", "count"), feed("x", "send")]
    stages = [stage("mail", feeds[0], feeds[2]), stage("stats", feeds[1])]
    assert held(stages, {"mail": full()}) == [("a", "send"), ("x", "send")]


def test_a_consumer_of_raw_messages_is_held_with_all_of_its_queue():
    judged = judge([stage("d", feed("raw", "load", consumer=True))], {"d": full()}, NOW)
    assert [(hold.queue, hold.task) for hold in judged.holds] == [("raw", None)]
    assert judged.holds[0].reason.endswith("fed by consumer load")


def test_it_lets_go_at_the_low_mark_and_not_before():
    bound = marks(100, Mark(), 0)
    assert (bound.high, bound.low) == (95, 75)
    before = [stage("d", feed("c"), over=Over(NOW - 5, 0))]
    assert held(before, {"d": full(94)}) == [("c", "tc")]
    assert held(before, {"d": full(76)}) == [("c", "tc")]
    assert held(before, {"d": full(75)}) == []
    assert held([stage("d", feed("c"))], {"d": full(94)}) == []


def test_room_is_kept_for_what_has_begun_already():
    assert marks(100, Mark(), 20).high == 80
    assert marks(100, Mark(), 500).high == 50  # half of a limit is used whatever may be under way
    assert held([stage("d", feed("c"))], {"d": full(80), "c": Level(slots=20)}) == [("c", "tc")]


@pytest.mark.parametrize("limit", range(1, 12))
def test_the_smallest_limits_hold_and_let_go_too(limit):
    for slots in (0, 1, 100):
        bound = marks(limit, Mark(), slots)
        assert 0 <= bound.low < bound.high <= limit
        assert held([stage("d", feed("c"))], {"d": full(limit, limit), "c": Level(slots=slots)})
        assert not held([stage("d", feed("c"), over=Over(NOW, 0))], {"d": full(0, limit), "c": Level(slots=slots)})


def test_whoever_feeds_a_queue_that_others_keep_full_gets_a_turn():
    before = [stage("d", feed("c"), over=Over(NOW - 5, 1000))]
    levels = {"c": Level(slots=10)}
    assert held(before, {**levels, "d": full(drained=1029)}) == [("c", "tc")]
    assert held(before, {**levels, "d": full(drained=1030)}) == []  # as many have left as a turn may bring
    assert held(before, {**levels, "d": full(101, drained=2000)}) == [("c", "tc")]  # not into the reserve for ever


def test_what_lies_on_a_cycle_never_holds_itself():
    loop = [stage("a", feed("a", "again"))]
    assert held(loop, {"a": full()}) == []
    ring = [
        stage("a", feed("c")),
        stage("b", feed("a"), feed("x")),
        stage("c", feed("b")),
        stage("d", feed("c", "out")),
    ]
    everything = dict.fromkeys("abcdx", full())
    assert held(ring, everything) == [("c", "out"), ("x", "tx")]


def test_an_edge_that_nobody_has_used_for_long_holds_nobody():
    assert held([stage("d", feed("c", ago=AGED - 1))], {"d": full()}) == [("c", "tc")]
    assert held([stage("d", feed("c", ago=AGED + 1))], {"d": full()}) == []
    back = stage("c", feed("d", ago=AGED + 1))  # and makes no cycle
    assert held([stage("d", feed("c")), back], {"d": full()}) == [("c", "tc")]


def test_a_declared_mark_holds_where_there_is_no_limit():
    marked = [stage("d", feed("c"), mark=Mark(messages=10))]
    assert held(marked, {"d": Level(waiting=9)}) == []
    assert held(marked, {"d": Level(waiting=10)}) == [("c", "tc")]
    assert held([stage("d", feed("c"))], {"d": Level(waiting=1_000_000)}) == []


def test_a_mark_of_age_holds_while_the_oldest_waits_too_long():
    old = [stage("d", feed("c"), mark=Mark(age=60.0))]
    assert held(old, {"d": Level(waiting=1, age=60.0)}) == []
    judged = judge(old, {"d": Level(waiting=1, age=61.0)}, NOW)
    assert judged.holds[0].reason == "the oldest message of queue d has waited 1m 1s of 1m, fed by task tc"
    before = [stage("d", feed("c"), mark=Mark(age=60.0), over=Over(NOW, 0))]
    assert held(before, {"d": Level(waiting=1, age=50.0)}) == [("c", "tc")]
    assert held(before, {"d": Level(waiting=1, age=47.0)}) == []


def test_a_queue_that_sheds_takes_all_and_holds_nobody():
    assert held([stage("d", feed("c"), mark=Mark(sheds=True))], {"d": full()}) == []
    assert held([stage("d", feed("c"), mark=Mark(messages=50, sheds=True))], {"d": full()}) == [
        ("c", "tc")
    ]  # asked for


def test_a_queue_without_a_mark_passes_on_what_holds_its_tasks():
    stages = [stage("c", feed("b", made="tc"), feed("x", made="other")), stage("d", feed("c"))]
    levels = {"d": full(), "c": Level(waiting=5000, parked=94)}
    assert held(stages, levels) == [("c", "tc")]
    levels["c"] = Level(waiting=5000, parked=95)
    assert held(stages, levels) == [("b", "tb"), ("c", "tc")]  # x makes what goes on, and goes on
    assert held(stages, {"d": full(10), "c": Level(waiting=5000, parked=95)}) == []


QUEUES = "abcdef"
GRAPHS = st.sets(st.tuples(st.sampled_from(QUEUES), st.sampled_from("tu"), st.sampled_from(QUEUES)), max_size=14)
LEVELS = st.fixed_dictionaries({queue: st.integers(0, 130) for queue in QUEUES})
LIMITS = st.fixed_dictionaries({queue: st.sampled_from([None, 100]) for queue in QUEUES})


def reaches(graph, start):
    found, ahead = set(), [start]
    while ahead:
        for following in graph.get(ahead.pop(), ()):
            if following not in found:
                found.add(following)
                ahead.append(following)
    return found


@settings(max_examples=100, deadline=None)
@given(GRAPHS, LEVELS, LIMITS, st.booleans())
def test_whatever_the_graph_nobody_waits_for_itself(edges, counts, limits, before):
    by_target = {queue: [edge for edge in sorted(edges) if edge[2] == queue] for queue in QUEUES}
    over = Over(NOW - 1, 0) if before else None
    stages = [
        stage(queue, *(feed(source, task) for source, task, _ in theirs), over=over)
        for queue, theirs in by_target.items()
        if theirs
    ]
    levels = {queue: Level(waiting=counts[queue], parked=counts[queue], limit=limits[queue]) for queue in QUEUES}
    judged = judge(stages, levels, NOW)
    graph = {queue: {target for source, _, target in edges if source == queue} for queue in QUEUES}
    for hold in judged.holds:
        targets = {target for source, task, target in edges if (source, task) == (hold.queue, hold.task)}
        blamed = {queue for queue in judged.over if queue in targets and hold.queue not in reaches(graph, queue)}
        assert blamed, "held for a queue that it does not feed, or that waits for it"
    # some queue that is over its mark has nobody held in it: what makes room there goes on, and then the next one
    assert not judged.over or judged.over.keys() - {hold.queue for hold in judged.holds}


@settings(max_examples=100, deadline=None)
@given(st.sets(st.tuples(st.sampled_from(QUEUES), st.sampled_from(QUEUES)), max_size=16))
def test_components_are_what_reaches_each_other_the_last_first(edges):
    graph = {queue: [target for source, target in sorted(edges) if source == queue] for queue in QUEUES}
    found = components(graph)
    assert sorted(itertools.chain(*found)) == list(QUEUES)
    place = {queue: number for number, one in enumerate(found) for queue in one}
    for one, other in itertools.product(QUEUES, QUEUES):
        mutual = one == other or (other in reaches(graph, one) and one in reaches(graph, other))
        assert (place[one] == place[other]) is mutual
        assert other not in graph[one] or place[other] <= place[one]


def test_a_chain_of_thousands_of_queues_is_no_trouble():
    names = [f"q{n:05}" for n in range(3000)]
    stages = [stage(after, feed(before)) for before, after in itertools.pairwise(names)]
    assert held(stages, {names[-1]: full()}) == [(names[-2], f"t{names[-2]}")]


def test_the_end_of_a_chain_is_the_queue_over_its_mark_that_is_held_for_none():
    def over(queue, since, *sources):
        return stage(queue, *map(feed, sources), over=Over(since, 0))

    stages = [
        over("b", 1.0, "a"),
        over("c", 2.0, "b"),
        over("d", 3.0, "c", "a"),
        over("e", 2.5, "b"),
        over("a", 9.0, "d"),
    ]
    assert held_for("a", stages, {"a", "b", "c"}) == "d"
    assert held_for("a", stages, {"a", "b"}) == "c"  # over its mark for longer than the other one that b feeds
    assert held_for("d", stages, {"a", "b", "c"}) == "d"
    assert held_for("a", stages, {"a", "b", "c", "d"}) == "d"  # a ring ends somewhere
    assert held_for("a", [stage("b", feed("a"))], {"a"}) == "a"
