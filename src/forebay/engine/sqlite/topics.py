"""What a commit may be about: whoever waits is woken by topic."""

#: Before the name of a queue: it has news for whoever leases from it.
QUEUE = "queue:"
#: Some message ended or progressed.
ENDED = "ended"
#: Running work is asked to stop.
CANCEL = "cancel"
