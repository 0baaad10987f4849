"""`completion`: scripts that the shells accept, and answers that they complete with."""

import os
import shutil
import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_valid_in_its_shell(shell, name):
    script = shell("completion", name).out
    assert "_FOREBAY_COMPLETE" in script
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed here")
    file = shell.folder / f"completion.{name}"
    file.write_text(script)
    check = [program, "--no-execute", str(file)] if name == "fish" else [program, "-n", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_shell_is_taken_from_the_environment(shell):
    assert shell("completion", SHELL="/usr/bin/fish").out == shell("completion", "fish").out
    assert "no completion for shell 'csh'" in shell("completion", SHELL="/bin/csh", code=2).complaint


def test_bash_completes_commands_and_options(shell):
    """The script itself, in a real bash, with `forebay` on its path."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed here")
    program = shell.folder / "bin" / "forebay"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom forebay.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    (shell.folder / "completion.bash").write_text(shell("completion", "bash").out)
    env = {**shell.env, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    for typed, wanted in ((["forebay", "sched"], "schedules"), (["forebay", "worker", "--conc"], "--concurrency")):
        text = f"""
            source completion.bash
            COMP_WORDS=({" ".join(typed)}); COMP_CWORD={len(typed) - 1}
            _forebay_completion forebay {typed[-1]} {typed[-2]}
            echo "${{COMPREPLY[@]}}"
        """
        command = [bash, "--norc", "-c", text]
        done = subprocess.run(
            command, cwd=shell.folder, env=env, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.split() == [wanted], done.stderr
