"""Whole stories that have to end well: each prints a verdict a promise, and leaves a plot and the raw figures."""
