"""Faults that are real, on processes that are real: `python -m forebay.testing.faults` plays the crash table.

`run.run(scenario, engine, seed, folder)` plays one of `catalogue.SCENARIOS` on any engine; the verdict comes from the
history that all its processes wrote down. Needs Linux or macOS; a fault that this machine cannot have is skipped, and
says so. Nothing is imported here, for the wrappers in this folder are opened by every process of a fleet.
"""
