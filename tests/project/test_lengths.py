"""The length gate: what it lets through, what it stops, and how it says so."""

import pytest

import lengths

DOC = '"""Doc."""\n'


def reasons(text: str, name: str = "module.py") -> list[str]:
    return [finding.reason for finding in lengths.findings(name, text)]


def function(body_lines: int, signature: str = "") -> str:
    return f"def f({signature}):\n" + "    pass\n" * body_lines


def a_class(methods: int) -> str:
    return "class C:\n" + "".join(f"    def m{number}(self): ...\n" for number in range(methods))


@pytest.mark.parametrize(
    "text",
    [
        DOC + "x = 1\n" * 399,
        DOC + function(44),
        DOC + "def f():\n" + '    """\n' + "    long\n" * 50 + '    """\n' + "    pass\n" * 44,
        DOC + function(1, "a, b, c, d, *rest, e, f, g, **more"),
        DOC + "class C:\n    def m(self, a, b, c, d, e, f, g): ...\n",
        DOC + a_class(15),
        DOC + a_class(15) + "    def _private(self): ...\n",
        DOC + "class C:\n" + "    @property\n    def same(self): ...\n" * 20,
    ],
    ids=["file", "function", "docstring", "arguments", "self", "methods", "private", "same_name"],
)
def test_a_file_at_its_limits_passes(text):
    assert reasons(text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DOC + "x = 1\n" * 400, "file has 401 lines, at most 400"),
        (DOC + function(45), "f() has 46 lines, at most 45"),
        (DOC + function(45).replace("def", "async def"), "f() has 46 lines, at most 45"),
        (DOC + function(1, "a, b, c, d, *, e, f, g, h"), "f() takes 8 arguments, at most 7: use an options class"),
        (DOC + a_class(16), "class C has 16 public methods, at most 15"),
        ("x = 1\n", "module has no docstring"),
        ("", "module has no docstring"),
        (DOC + "# TO" + "DO: later\n", "half-done: TO" + "DO"),
        (DOC + "raise NotImplemented" + "Error\n", "half-done: raise NotImplemented" + "Error"),
    ],
)
def test_a_file_beyond_a_limit_is_named_with_the_reason(text, reason):
    assert reasons(text) == [reason]


def test_a_statement_file_holds_at_most_sixty_lines():
    assert reasons("select 1;\n" * 60, "lease.sql") == []
    assert reasons("select 1;\n" * 61, "lease.sql") == ["file has 61 lines, at most 60"]


def test_a_script_of_a_server_holds_more_for_it_is_a_whole_operation():
    assert reasons("return 1\n" * 170, "lease.lua") == []
    assert reasons("return 1\n" * 171, "lease.lua") == ["file has 171 lines, at most 170"]


def test_a_migration_may_be_as_long_as_a_module():
    assert reasons("create table t (x);\n" * 400, "sqlite/migrations/0001_first.sql") == []


def test_the_command_prints_path_and_line_and_fails(tmp_path, capsys):
    (tmp_path / "good.py").write_text(DOC)
    assert lengths.main([str(tmp_path)]) == 0
    (tmp_path / "bad.py").write_text(DOC + "\n" + function(45))
    assert lengths.main([str(tmp_path)]) == 1
    assert f"{tmp_path}/bad.py:3: f() has 46 lines, at most 45" in capsys.readouterr().out
