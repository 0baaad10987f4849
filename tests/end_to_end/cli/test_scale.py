"""`forebay scale`: slots for the work that waits, and none for what a gate or a limit holds up."""


def test_waiting_work_wants_slots_and_what_is_paused_none(shell):
    with shell.worker("-c", "4"):
        shell("enqueue", "nap", "0.2", "--wait")  # so that it is known how long a run takes
    for _ in range(5):
        shell.enqueue("nap", "0.2")
    (slow, _) = shell("scale", "slow", "--target", "500ms", "--over", "100ms", "-o", "json").json
    assert (slow["queue"], slow["ready"], slow["slots"]) == ("slow", 5, 0)
    assert slow["wanted"] == slow["more"] >= 2  # a second of work, to be started within half of one
    wanted = shell("scale", "slow", "--target", "500ms", "--over", "100ms", "--value").out.strip()
    assert int(wanted) == slow["wanted"]
    shell("pause", "slow", "--reason", "deploy")
    (slow, every) = shell("scale", "slow", "--over", "100ms", "-o", "json").json
    assert (slow["wanted"], slow["more"], slow["held"], every["wanted"]) == (0, 0, 5, 0)
    assert "closed by operator" in shell("scale", "--over", "100ms").out


def test_what_cannot_be_asked_is_refused(shell):
    shell.enqueue("nap", "0")
    assert "more than 0 seconds" in shell("scale", "--target", "0", code=2).complaint
    assert "1h at most" in shell("scale", "--over", "2h", code=2).complaint
    assert "no queue 'nope'" in shell("scale", "nope", code=2).complaint
