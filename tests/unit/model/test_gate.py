"""A gate is named in words, and by the command that opens it, whatever text its key is."""

import shlex

import pytest

from forebay.model.errors import EngineError
from forebay.model.gate import Gate


@pytest.mark.parametrize("key", ["t7", "a b; touch pwned", "it's", "--all", "-v", "$(id)", "`id`", "\n", "ключ", "\\"])
def test_a_shell_takes_the_command_as_it_is_meant(key):
    command = Gate("my queue", key=key).resumed()
    words = shlex.split(command)
    assert words[:3] == ["forebay", "resume", "my queue"]
    assert words[3:] in ([f"--key={key}"], ["--key", key])
    assert key[0] != "-" or len(words) == 4, "an option's value that begins with a dash is part of it"


def test_usual_names_are_not_quoted():
    assert Gate("mail", task="app:send").resumed() == "forebay resume mail --task app:send"
    assert Gate("", key="tenant-7").resumed() == "forebay resume --key tenant-7"


@pytest.mark.parametrize("key", ["", "x" * 513])
def test_a_key_that_no_message_has_is_refused(key):
    with pytest.raises(EngineError, match="a key has 1 to 512 characters"):
        Gate("q", key=key).checked()
