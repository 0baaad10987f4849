"""What there is is documented: each public name, setting, option, command and folder; and what is named exists."""

import re
import sys
from pathlib import Path

import pytest

import forebay
from forebay.config import Settings
from forebay.engine.registry import SCHEMES
from forebay.model.lifecycle import State
from forebay.produce.decorators import TaskWays
from forebay.produce.ways import Sends

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PUBLIC = set(forebay.__all__) - {"__version__"}


def mentioned(*pages: str) -> set[str]:
    """Words that stand in code spans of pages of the reference."""
    text = "\n".join((REFERENCE / page).read_text() for page in pages)
    return {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}


@pytest.mark.parametrize(
    ("names", "pages"),
    [
        pytest.param(PUBLIC, ["python.md", "outcomes-and-errors.md"], id="names"),
        pytest.param(Settings.__struct_fields__, ["configuration.md"], id="settings"),
        pytest.param(TaskWays.__annotations__, ["task-options.md"], id="options of a task"),
        pytest.param(Sends.__annotations__, ["task-options.md"], id="ways of a message"),
        pytest.param(State, ["python.md", "outcomes-and-errors.md", "protocol.md"], id="states"),
        pytest.param(SCHEMES, ["guarantees.md", "configuration.md"], id="engines"),
    ],
)
def test_what_there_is_stands_in_the_reference(names, pages):
    text = "\n".join((REFERENCE / page).read_text() for page in pages)
    missing = {str(name) for name in names if name not in mentioned(*pages) and f"**{name}**" not in text}
    assert not missing, f"docs/reference/{' or '.join(pages)} should mention {', '.join(sorted(missing))}"


@pytest.mark.parametrize(
    ("page", "least"),
    [("guarantees.md", 50), ("bad-input.md", 40), ("protocol.md", 10), ("../how-to/add-an-engine.md", 50)],
)
def test_a_page_of_promises_names_tests_that_exist(page, least):
    named = set(re.findall(r"`((?:Test\w+::)?test_\w+)`", (REFERENCE / page).read_text()))
    there = set()
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("src/forebay/testing/conformance/*.py")]:
        owner = ""
        for line in path.read_text().splitlines():
            if match := re.match(r"class (Test\w+)|(?:async )?def (test_\w+)|    (?:async )?def (test_\w+)", line):
                klass, function, method = match.groups()
                owner = klass or ("" if function else owner)
                there |= {function} if function else {f"{owner}::{method}"} if method else set()
    assert len(named) > least
    assert not named - there, f"docs/reference/{page} names tests that do not exist"


def test_the_crash_table_has_its_place_in_the_guarantees():
    text = (REFERENCE / "guarantees.md").read_text()
    assert re.findall(r"^<!-- crash-table:(\w+) -->$", text, re.MULTILINE) == ["begin", "end"]


def test_the_command_line_page_is_made_of_every_command_and_option(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_extensions"))
    import command_line

    commands = {context.command_path: context for context in command_line.contexts(command_line.cli)}
    assert set(commands) >= {f"forebay {name}" for name in command_line.cli.list_commands(None)}
    assert {"forebay dead redrive", "forebay schedules pause", "forebay config show"} <= set(commands)
    for path, context in commands.items():
        page = command_line.section(context).astext()
        assert context.command.help, f"{path} does not say what it does"
        for written, meaning in command_line.options(context):
            assert written in page
            assert meaning, f"{path} does not say what {written} does"
    del sys.modules["command_line"]


def test_the_architecture_page_knows_every_folder_and_names_no_file_that_is_gone():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    source = ROOT / "src" / "forebay"
    for path in source.iterdir():
        if path.name.startswith("_") or path.suffix not in {"", ".py"}:
            continue
        assert re.search(rf"`{path.name}/?`", text), f"ARCHITECTURE.md does not mention {path.name}"
    for name in re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?|[a-z_]+\.py)`", text):
        assert (source / name).exists() or (ROOT / name).exists(), f"ARCHITECTURE.md names {name}"


def test_every_how_to_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for chapter in ("tutorial", "how-to", "explanation", "reference"):
        assert f"{chapter}/" in index


def test_the_read_me_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize(
    "page", [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")], ids=lambda page: page.name
)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (ROOT / target).exists(), f"{page.name} links to {target}"
