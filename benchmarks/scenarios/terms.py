"""What the outage scenario declares and sends: known to the app, and to whoever judges it."""

#: Calls of the provider at a time, over all workers; seconds until it is back at that after the first good probe.
CONCURRENCY, RAMP = 16, 3.0
#: Seconds between two probes, but for a tenth of jitter.
OPEN_FOR, JITTER = 1.0, 0.1
#: Seconds that the tasks' HTTP client waits for an answer.
TIMEOUT = 1.0
#: Messages a second: of each of the two tasks that call the provider, and of the one that does not.
CALLING, UNRELATED = 20, 60
