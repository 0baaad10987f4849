"""What the outage scenario declares and sends: known to the app, and to whoever judges it."""

#: Calls of the provider at a time, over all workers; seconds until it is back at that after the first good probe.
CONCURRENCY, RAMP = 16, 3.0
#: Seconds between two probes, but for a tenth of jitter.
OPEN_FOR, JITTER = 1.0, 0.1
#: Seconds that the tasks' HTTP client waits for an answer.
TIMEOUT = 1.0
#: Messages a second: of each of the two tasks that call the provider, and of the one that does not.
CALLING, UNRELATED = 20, 60
#: The slow last stage: messages that may wait in each queue; seconds that the last task takes when slow, and else.
BOUND, SLOW, QUICK = 100, 0.1, 0.005
#: Slots of the last stage, and of the three before it together.
LAST, STAGES = 2, 16
#: Messages that the producer brings at a time, and how many of such batches in a second.
BATCH, BATCHES = 20, 2.0
#: The limits: how often messages of a key may start; how many of a queue may run at once.
KEY_RATE, SLOTS = "30/min", 6
