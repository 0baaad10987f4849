"""One module per library: the same tasks, and the same verbs to send them.

Every module has `send(task, *args)` for one durable message, `fill(task, count)` for a backlog by the quickest way
there is (not measured), and `send_many(task, count, chunk)` where the library has a bulk call.  All settings come from
the environment.
"""
