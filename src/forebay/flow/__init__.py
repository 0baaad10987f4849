"""Pure policy: from state, time and input to a decision. No I/O, no clock, no chance of its own."""
