"""Settings: where each one comes from, which one wins, and what is said about one that cannot work."""

import pytest

from forebay.config import Settings, load
from forebay.model.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in Settings.__struct_fields__:
        monkeypatch.delenv(f"FOREBAY_{name.upper()}", raising=False)


def pyproject(folder, text):
    (folder / "pyproject.toml").write_text(text)


def origins(found):
    return {origin.name: origin.origin for origin in found[1]}


def test_without_anything_the_defaults_hold(tmp_path):
    found = load({}, tmp_path)
    assert found[0] == Settings()
    assert set(origins(found).values()) == {"default"}


def test_the_environment_wins_over_pyproject_and_that_over_the_program(tmp_path, monkeypatch):
    pyproject(tmp_path, "[tool.forebay]\nlease = '20s'\npoll = 0.5\n")
    monkeypatch.setenv("FOREBAY_POLL", "250ms")
    found = load({"lease": 5, "poll": 2, "url": "memory://"}, tmp_path)
    assert (found[0].url, found[0].lease, found[0].poll) == ("memory://", 20.0, 0.25)
    assert origins(found)["url"] == "Forebay(...)"
    assert origins(found)["lease"] == f"{tmp_path}/pyproject.toml [tool.forebay]"
    assert origins(found)["poll"] == "environment FOREBAY_*"
    assert origins(found)["durability"] == "default"


def test_the_nearest_pyproject_upwards_counts(tmp_path):
    pyproject(tmp_path, "[tool.forebay]\nlease = 7\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert load({}, deep)[0].lease == 7.0
    pyproject(deep.parent, "[tool.other]\n")
    assert load({}, deep)[0].lease == 15.0


def test_a_pyproject_that_was_changed_counts_for_the_next_app(tmp_path):
    for lease in (7, 8, 7):
        pyproject(tmp_path, f"[tool.forebay]\nlease = {lease}\n")
        assert [load({}, tmp_path)[0].lease for _ in range(2)] == [lease, lease]


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_text_of_the_environment_becomes_the_type_of_the_setting(tmp_path, monkeypatch, text, value):
    monkeypatch.setenv("FOREBAY_MIGRATE", text)
    monkeypatch.setenv("FOREBAY_MAX_SIZE", "1000000")
    settings = load({}, tmp_path)[0]
    assert (settings.migrate, settings.max_size) == (value, 1_000_000)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lesae": 1}, "unknown setting 'lesae'; known are url"),
        ({"lease": -1}, "lease = -1 is not usable: it is a duration such as '30s', from 0.1 s to 1,000,000,000 s"),
        ({"lease": 0}, "lease = 0 is not usable: it is a duration such as '30s', from 0.1 s"),
        ({"lease": "soon"}, "lease = 'soon' is not usable: it is a duration such as '30s', from 0.1 s"),
        ({"poll": 0}, "poll = 0 is not usable: it is a duration such as '30s', from 0.001 s"),
        ({"unknown_for": -1}, "unknown_for = -1 is not usable: it is a duration such as '30s', from 0 s"),
        ({"result_ttl": []}, "result_ttl = [] is not usable: it is a duration such as '30s', from 0 s"),
        ({"durability": "some"}, "durability = 'some' is not usable: it is 'full' or 'normal'"),
        ({"compression": "gzip"}, "compression = 'gzip' is not usable: it is '' or 'zstd' or 'zstd-then-encrypt'"),
        ({"payload_limit": 0}, "payload_limit = 0 is not usable: it is a whole number from 1 to 536,870,912"),
        ({"max_size": -1}, "max_size = -1 is not usable: it is a whole number from 0 to "),
        ({"migrate": "perhaps"}, "migrate = 'perhaps' is not usable: it is true or false"),
        ({"outbox": 5}, "outbox = 5 is not usable: it is a text"),
        ({"url": b"memory://"}, "url = b'memory://' is not usable: it is a text"),
    ],
)
def test_what_cannot_work_is_refused_with_its_origin(tmp_path, given, says):
    with pytest.raises(ConfigError) as caught:
        load(given, tmp_path)
    assert str(caught.value).startswith(f"Forebay(...): {says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [("[tool", "cannot be read"), ("tool.forebay = 3", "must be a table"), ("tool = 3", "must be a table")],
)
def test_a_broken_pyproject_is_named(tmp_path, text, says):
    pyproject(tmp_path, text)
    with pytest.raises(ConfigError, match=f"pyproject.toml.*{says}"):
        load({}, tmp_path)


def test_a_folder_that_is_gone_or_may_not_be_searched_has_no_pyproject(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load({"lease": 5})[0].lease == 5.0

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.chdir(tmp_path)
    pyproject(tmp_path, "[tool.forebay]\nlease = 7\n")
    assert load({})[0].lease == 7.0
    monkeypatch.setattr("pathlib.Path.is_file", refused)
    assert load({})[0].lease == 15.0


@pytest.mark.parametrize(
    ("name", "meant"), [("LEESE", "LEASE"), ("POL", "POLL"), ("RESULT_TTLL", "RESULT_TTL"), ("DEBUGG", "DEBUG")]
)
def test_a_slip_in_the_name_of_a_variable_is_refused_with_the_name_that_was_meant(monkeypatch, name, meant):
    monkeypatch.setenv(f"FOREBAY_{name}", "1")
    with pytest.raises(ConfigError, match=f"unknown setting FOREBAY_{name}: did you mean FOREBAY_{meant}[?]$"):
        load({})


def test_a_variable_that_resembles_no_setting_is_left_alone_with_a_warning(monkeypatch, caplog):
    for name in ("APP", "DEBUG", "SERVICE_HOST", "PORT", "PORT_80_TCP_ADDR", "BENCH_DIR", "TEST_MARK"):
        monkeypatch.setenv(f"FOREBAY_{name}", "1")
    load({})
    assert caplog.records == []
    monkeypatch.setenv("FOREBAY_MASCOT", "otter")
    load({})
    assert [one.getMessage() for one in caplog.records] == [
        "environment: FOREBAY_MASCOT is no setting, and has no effect"
    ]
