"""Every example in the README and the documentation runs; tools/snippets.py says what counts as one."""

import os
import subprocess
from pathlib import Path

import pytest

import snippets
import starts

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "snippets.py"
# Decision records are left out: a sketch of what was weighed once is not an example to keep working.
PAGES = [ROOT / "README.md", *sorted(set(ROOT.glob("docs/**/*.md")) - set(ROOT.glob("docs/adr/*")))]


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own per page, so that loops, threads and imports end with it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FOREBAY_", "COLUMNS"))}
    return starts.run([str(TOOL), str(page)], folder, own, 250, python=())


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if snippets.steps(page.read_text())]
)
def test_the_examples_of_a_page_run(page, tmp_path):
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


PAGE = """
<!-- snippet: file greet.py -->
```python
def hello():
    return "hello"
```

```python
import asyncio
import greet
word = greet.hello()
```

* in a list, and later in the same namespace:

  ```python
  await asyncio.sleep(0)
  print(word, __name__)
  ```

<!-- snippet: skip, it would never end -->
```python
while True: pass
```

<!-- snippet: run -->
```console
$ python -c "import greet; \\
    print('console', greet.hello())"  # a comment
console hello
```

```console
$ not-run
```
"""


def test_blocks_share_a_namespace_write_files_and_run_commands(tmp_path):
    (tmp_path / "page.md").write_text(PAGE)
    done = run(tmp_path / "page.md", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hello __main__" in done.stdout
    assert "console hello" in done.stdout


def test_a_failing_block_is_shown_at_its_line_of_the_page(tmp_path):
    (tmp_path / "page.md").write_text("# Title\n\n```python\nx = 1\nx / 0\n```\n")
    done = run(tmp_path / "page.md", tmp_path)
    assert done.returncode == 1
    assert f'{tmp_path / "page.md"}", line 5' in done.stderr


def test_a_failing_command_fails_the_page(tmp_path):
    (tmp_path / "page.md").write_text('<!-- snippet: run -->\n```console\n$ python -c "raise SystemExit(3)"\n```\n')
    assert run(tmp_path / "page.md", tmp_path).returncode == 1


def test_what_is_shown_below_a_command_has_to_be_what_it_prints(tmp_path):
    shown = '<!-- snippet: run -->\n```console\n$ python -c "print(1, 2, 3)"\n{}\n```\n'
    (tmp_path / "right.md").write_text(shown.format("1 ... 3"))
    (tmp_path / "wrong.md").write_text(shown.format("1 ... 4"))
    assert run(tmp_path / "right.md", tmp_path).returncode == 0
    assert "has to print\n1 ... 4" in run(tmp_path / "wrong.md", tmp_path).stderr


BESIDE = """
<!-- snippet: file sleeper.py -->
```python
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[1])))
open("up", "w").close()
signal.pause()
```

```python
import os
os.mkfifo("up")
```

<!-- snippet: run -->
```console
$ python sleeper.py {} &
```

```python
open("up").close()
```
"""


def test_a_command_beside_the_page_is_terminated_at_its_end_and_has_to_exit_0(tmp_path):
    (tmp_path / "page.md").write_text(BESIDE.format(0))
    assert run(tmp_path / "page.md", tmp_path).returncode == 0
    (tmp_path / "up").unlink()
    (tmp_path / "page.md").write_text(BESIDE.format(3))
    done = run(tmp_path / "page.md", tmp_path)
    assert done.returncode == 1
    assert "exit status 3" in done.stderr


@pytest.mark.parametrize("marker", ["skip", "skip,", "rum", "run"])
def test_an_unknown_marker_or_a_skip_without_a_reason_is_an_error(marker):
    with pytest.raises(snippets.PageError, match="line 2"):
        snippets.steps(f"<!-- snippet: {marker} -->\n```python\npass\n```\n")


def test_only_forebay_and_python_are_run():
    with pytest.raises(snippets.PageError, match="rm -rf"):
        snippets.commands("$ rm -rf .\n")
