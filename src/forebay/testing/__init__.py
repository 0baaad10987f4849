"""For tests of Forebay, of apps that use it and of engines: a clock to set, and one suite for every engine.

`clock` has no requirements. `conformance` needs pytest, which Forebay itself never installs.
"""

from forebay.testing.clock import ManualClock

__all__ = ["ManualClock"]
