"""Forebay beside its peers: the same work, on the same machine, in one interleaved run (`python -m benchmarks`)."""
