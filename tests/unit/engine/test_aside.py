"""What is carried out aside, where threads are greenlets: they take turns only where one of them waits."""

import queue

from forebay.engine.aside import Aside


class HalfPut:
    """A queue of greenlets with a call that its sender has not counted yet: it gets on when somebody waits."""

    def __init__(self):
        self.calls, self.counted, self.looks = [], False, 0

    def put(self, call):
        self.calls.append(call)

    def empty(self):
        return not self.calls

    def get_nowait(self):
        self.looks += 1
        assert self.looks < 100, "it looks again and again, and nobody else gets on"
        if not (self.calls and self.counted):
            raise queue.Empty
        return self.calls.pop(0)

    def get(self, timeout):
        self.counted = True
        return self.get_nowait()


def test_a_call_that_is_being_put_in_by_a_greenlet_is_waited_for():
    aside, done = Aside(), []
    aside._calls = HalfPut()
    aside._start = aside._serve  # in this thread
    aside.tell(lambda: done.append("it"))
    assert done == ["it"]
