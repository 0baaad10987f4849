"""The family of rules about limits on bytes; see `machine`."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from forebay.model.lifecycle import State
from forebay.model.message import PARENT, Message
from forebay.model.queue import QueueSpec
from forebay.store.records import Query
from properties.machine import EVERYTHING, QUEUES, queues, several
from properties.twins import answer


class Weighed:
    """Limits on bytes, which come and go, and bodies of all sizes."""

    @rule(
        queue=queues, limit=st.sampled_from([None, None, 4]), limit_bytes=st.sampled_from([None, 1, 100, 100, 1000]),
        on_full=st.sampled_from(["reject", "shed_oldest"]), key_concurrency=st.sampled_from([None, None, 1]),
    )  # fmt: skip
    def bound_its_bytes(self, queue, limit, limit_bytes, on_full, **more):
        full = on_full if limit is not None or limit_bytes is not None else None
        self.twins.agree("declare", [QueueSpec(name=queue, limit=limit, limit_bytes=limit_bytes, on_full=full, **more)])

    @rule(
        called=several, sizes=st.lists(st.sampled_from([0, 1, 7, 50, 60, 150]), min_size=3, max_size=3), queue=queues,
        delay=st.sampled_from([0.0, 0.0, 10.0]), unique=st.sampled_from([None, None, "k1"]),
        debounce=st.sampled_from([0.0, 5.0]), child=st.booleans(), key=st.sampled_from([None, "t1"]),
    )  # fmt: skip
    def publish_bodies(self, called, sizes, unique, debounce, child, **fields):
        held = {} if unique is None else {"unique": unique, "debounce": debounce}
        held |= {"headers": {PARENT: "x"}} if child else {}
        made = [Message(id=name, body=b"x" * size, **fields, **held) for name, size in zip(called, sizes, strict=False)]
        self.take_in(made)

    @invariant()
    def the_sum_is_that_of_the_bodies(self):
        for depth in answer(self.twins.model, "depth", [list(QUEUES)]):
            found = answer(self.twins.model, "messages", [Query(queue=depth.queue, limit=EVERYTHING)])
            waiting = sum(len(one.body) for one in found if one.state is not State.RUNNING)
            assert depth.size == (0 if depth.limit_bytes is None else waiting)
