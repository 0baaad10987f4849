"""What is left on a disk when the power goes, tried a few hundred times: `python -m forebay.testing.powerloss`.

`disk` models it, `vfs` lets SQLite write to the model, `user` uses an engine at random, `life` cuts the power at a
random input or output and judges what the next start finds, `run` does it for many seeds. Nothing of Forebay is
replaced: the engine runs with its own statements, threads and settings.
"""

from forebay.testing.powerloss.run import Verdict, Violation, run

__all__ = ["Verdict", "Violation", "run"]
