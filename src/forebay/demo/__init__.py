"""`forebay demo`: the standard library of this machine, indexed by workers of which one is killed half-way.

`app.py` is a whole Forebay app and the one to read first. `count.py` counts, `index.py` keeps what was counted,
`fleet.py` starts and stops the workers, `crash.py` kills one, `show.py` displays, `report.py` has the last word, and
`run.py` tells the story in order. `room.py`, `leash.py` and `janitor.py` see to it that nothing is left behind.
"""

from forebay.demo.run import run_demo

__all__ = ["run_demo"]
