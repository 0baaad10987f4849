"""`forebay rules`: tried out, added, listed, removed; and what cannot be carried out is refused with what to write."""

import pytest

from end_to_end.cli.shell import eventually


def test_a_rule_is_tried_out_added_told_by_why_and_removed(shell):
    about = ("--where", 'args.name ~ "^J"', "--task", "greet")
    for name in ("Joe", "Jim", "Ann"):
        shell.enqueue("greet", name)
    said = shell("rules", "add", *about, "--do", "drop", "--dry-run").out
    assert "it would match 2 of 3 waiting messages" in said
    (preview,) = shell("rules", "add", *about, "--do", "drop", "--dry-run", "-o", "json").json
    assert (preview["matched"], preview["looked"], len(preview["ids"])) == (2, 3, 2)
    assert shell("rules", "-o", "json").json == []
    said = shell("rules", "add", *about, "--do", "pause", "--for", "1h", "--reason", "bounces", "--name", "j").out
    assert "j: pause, for 1h; take it back with `forebay rules remove j`" in said
    with shell.worker():
        eventually(lambda: shell("queues", "default", "-o", "json").json[0]["parked"] == 2)
        (held, *_) = shell("messages", "--state", "parked", "-o", "json").json
        why = shell("why", held["id"]).out
        assert "what rule j matches in queue default has been paused for " in why
        assert ": bounces" in why
        assert "forebay rules remove j" in why
        eventually(lambda: shell("rules", "list", "-o", "json").json[0]["met"] == 2)
        assert 'task greet, args.name ~ "^J"' in shell("rules").out
        assert "j: removed" in shell("rules", "remove", "j").out
        eventually(lambda: shell("queues", "default", "-o", "json").json[0]["done"] == 3)
    assert [(line["verb"], line["target"]) for line in shell("audit", "-o", "json").json] == [
        ("remove rule", "j"),
        ("add rule", "j"),
    ]
    assert "no rule 'j': there is none yet" in shell("rules", "remove", "j", code=2).complaint


def test_a_reroute_to_a_queue_that_no_worker_serves_is_warned_of_and_added(shell):
    shell.enqueue("greet", "A")
    about = ("rules", "add", "--queue", "default", "--where", "args.n == 1", "--do", "reroute", "--to")
    warning = "warning: no worker serves queue {}: what goes there waits until one does"
    for more in (["--dry-run"], [], ["-o", "json"]):
        assert shell(*about, "aside", *more).err.strip() == warning.format("aside")
    (preview,) = shell(*about, "aside", "--dry-run", "-o", "json").json
    assert preview["warning"] == warning.format("aside").removeprefix("warning: ")
    with shell.worker():
        eventually(lambda: shell("workers", "-o", "json").json)
        for more in (["--dry-run"], [], ["-o", "json"]):
            assert shell(*about, "slow", *more).err == ""
    assert len(shell("rules", "-o", "json").json) == 4


def test_a_rule_about_what_nobody_here_knows_is_warned_of_and_added(shell):
    shell.enqueue("greet", "A")
    for more in (["--dry-run"], [], ["-o", "json"]):
        told = shell("rules", "add", "--task", "gret", "--queue", "defalt", "--do", "drop", *more).err
        assert "warning: this app has no task 'gret': it has " in told
        assert "greet" in told
        assert "warning: there is no queue 'defalt': there is " in told
    assert shell("rules", "add", "--task", "greet", "--queue", "default", "--do", "pause").err == ""
    assert len(shell("rules", "-o", "json").json) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drop"], "ends it, and does not bring back what it has dropped"),
        (["reroute", "--to", "aside"], "ends it, and what it has moved stays there"),
        (["throttle", "--rate", "1/m"], "throttle 1/m, until it is removed; take it back with"),
    ],
)
def test_a_rule_says_what_its_end_brings_back(shell, words, said):
    shell.enqueue("greet", "A")
    assert said in shell("rules", "add", "--queue", "default", "--where", "args.n == 1", "--do", *words).out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["rules", "add", "--do", "drop"], "would be about every message: name a queue, a task, a key or a condition"),
        (["rules", "add", "--do", "drop", "--queue", "q", "--where", ""], "where: the condition is empty"),
        (["rules", "add", "--do", "drop", "--where", "args.to = 1"], "write == to compare, at character 9"),
        (["rules", "add", "--do", "drop", "--where", 'args.to ~ "("'], "pattern: a ( without its )"),
        (["rules", "add", "--do", "drop", "--where", "args.to"], "expected a comparison"),
        (["rules", "add", "--do", "drop", "--queue", "a b"], "queue name 'a b' is not allowed"),
        (["rules", "add", "--do", "drop", "--queue", "q", "--name", "a b"], "rule name 'a b' is not allowed"),
        (["rules", "add", "--do", "drop", "--queue", "q", "--name", ""], "rule name '' is not allowed"),
        (["rules", "add", "--do", "drop", "--task", ""], "a task's name is not empty"),
        (["rules", "add", "--do", "drop", "--key", ""], "a key has 1 to 512 characters"),
        (["rules", "add", "--do", "drop", "--queue", "q", "--to", "r"], "is of a reroute: leave it out of a drop"),
        (
            ["rules", "add", "--do", "drop", "--queue", "q", "--rate", "5/s"],
            "are of a throttle: leave them out of a drop",
        ),
        (["rules", "add", "--do", "reroute", "--queue", "q"], "say where to: `--do reroute --to QUEUE`"),
        (["rules", "add", "--do", "reroute", "--queue", "q", "--to", "q"], "to itself changes nothing"),
        (["rules", "add", "--do", "throttle", "--queue", "q"], "say how fast: `--do throttle --rate 5/s`"),
        (["rules", "add", "--do", "throttle", "--queue", "q", "--rate", "fast"], "'fast' is not a rate"),
        (["rules", "add", "--do", "throttle", "--queue", "q", "--rate", "0"], "is not a rate"),
        (["rules", "add", "--do", "throttle", "--queue", "q", "--concurrency", "0"], "to have none run, use pause"),
        (["rules", "add", "--do", "pause", "--queue", "q", "--for", "0"], "--for is a time from now"),
        (["rules", "add", "--do", "pause", "--queue", "q", "--for", "soon"], "is not a duration"),
        (["rules", "add", "--do", "explode", "--queue", "q"], "is not one of 'pause', 'drop', 'reroute', 'throttle'"),
        (["rules", "add", "--queue", "q"], "--do"),
    ],
)
def test_a_rule_that_cannot_be_carried_out_is_refused_with_what_to_write(
    capsys, monkeypatch, tmp_path, words, complaint
):
    from forebay.cli.root import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{tmp_path}/none.db")
    assert main(words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
