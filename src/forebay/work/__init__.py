"""Running messages: from a lease to a settled outcome."""
