"""Testing an app, 4: the fixtures for pytest. Every test here is a pytest run of its own, in a project of its own."""

import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def run_pytest(tmp_path):
    def run(**files):
        for name, text in files.items():
            suffix = ".toml" if name == "pyproject" else ".py"
            (tmp_path / f"{name}{suffix}").write_text(textwrap.dedent(text))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
            cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False,
        )  # fmt: skip

    return run


PROJECT = """
    [tool.pytest.ini_options]
    forebay_app = "shop:app"
    pythonpath = ["."]
"""
SHOP = """
    from forebay import Forebay

    app = Forebay("sqlite:///shop.db")

    @app.task(queue="mail")
    def receipt(order: int) -> str:
        return f"receipt of {order}"

    def buy(order):
        receipt.using(delay=60).enqueue(order)
"""


def test_the_app_that_the_configuration_names_is_in_memory_and_empty_for_each_test(run_pytest, tmp_path):
    tests = """
        import pytest
        import shop
        from forebay.testing import assert_enqueued, drain, enqueued

        @pytest.mark.parametrize("time", range(2))
        def test_buying_sends_a_receipt_after_a_minute(forebay_app, forebay_clock, time):
            assert enqueued(forebay_app) == []
            shop.buy(7)
            assert assert_enqueued(forebay_app, shop.receipt, order=7).queue == "mail"
            assert drain(forebay_app) == []
            forebay_clock.advance(60)
            assert [one.value for one in drain(forebay_app)] == ["receipt of 7"]
    """
    done = run_pytest(pyproject=PROJECT, shop=SHOP, test_shop=tests)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "shop.db").exists()


def test_without_a_name_the_app_is_a_new_one_whatever_the_environment_says(run_pytest, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{tmp_path}/production.db")
    tests = """
        from forebay.testing import drain

        def test_it_is_in_memory(forebay_app):
            @forebay_app.task
            def answer() -> int:
                return 42

            answer.enqueue()
            assert [one.value for one in drain(forebay_app)] == [42]
            assert forebay_app.settings.url == "memory://"
    """
    done = run_pytest(test_new=tests)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "production.db").exists()


def test_an_app_that_is_not_there_is_one_clear_error(run_pytest):
    project = PROJECT.replace("shop:app", "shop:nothing")
    done = run_pytest(pyproject=project, shop=SHOP, test_shop="def test_it(forebay_app): ...")
    assert done.returncode == 1
    assert "ConfigError" in done.stdout
    assert "nothing" in done.stdout


def test_loading_the_plugin_imports_nothing_of_forebay_until_a_fixture_is_used(run_pytest):
    tests = """
        import sys

        HEAVY = ("forebay", "apsw", "msgspec", "uvloop")

        def loaded():
            return [name for name in HEAVY if name in sys.modules]

        def test_first(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("forebay")
            assert "pytest_forebay" in sys.modules
            assert loaded() == []

        def test_then(request):
            request.getfixturevalue("forebay_app")
            assert loaded() == ["forebay", "msgspec"], "a memory engine needs no apsw"
    """
    done = run_pytest(test_light=tests)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
