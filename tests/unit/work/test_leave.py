"""A process that is to end within a time ends, whatever it has run out of."""

import signal
import subprocess
import sys

LEAVING = """
import resource, time
from forebay.work.leave import leave_within

{before}
leave_within(0.2, 7, "the test")
time.sleep(60)
"""
#: Memory for what is there, and for no thread more.
SHORT = "resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))"
#: As it may be where memory is short at the wrong moment: the new thread dies before it has said that it runs.
MUTE = "import threading; threading.Thread.start = lambda self: threading.Event().wait()"


def ended(before):
    """The exit code of a process that was to leave, and what it said."""
    program = [sys.executable, "-c", LEAVING.format(before=before)]
    process = subprocess.run(program, capture_output=True, text=True, timeout=50, check=False)
    return process.returncode, process.stderr


def test_it_leaves_with_the_code_and_the_reason_that_were_given():
    assert ended("") == (7, "the test after 0.2 s: leaving without\n")


def test_where_there_is_no_memory_for_a_thread_the_kernel_ends_it():
    assert ended(SHORT)[0] == -signal.SIGALRM


def test_so_it_does_where_a_thread_never_says_that_it_runs():
    assert ended(MUTE)[0] == -signal.SIGALRM
