"""Where the server is may stand in a service file or the environment: it is asked to prove itself there as well."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from forebay.config import Settings
from forebay.engine.postgres.address import address

FILE = """
[far]
host=db.example
port=6432
dbname=shop
[trusted]
host=db.example
sslmode=disable
[ours]
host=db.example
sslrootcert=/etc/shop/ca.pem
[near]
host=/var/run/postgresql
dbname=shop
"""


@pytest.fixture(autouse=True)
def services(tmp_path, monkeypatch):
    file = tmp_path / "services"
    file.write_text(FILE)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "environment", "sslmode", "shown"),
    [
        ("postgresql:///?service=far", {}, "verify-full", "postgresql://db.example:6432/shop"),
        ("postgresql:///?service=far&sslmode=require", {}, "require", "postgresql://db.example:6432/shop"),
        ("postgresql:///?service=trusted", {}, None, "postgresql://db.example"),
        ("postgresql:///?service=ours", {}, "verify-full", "postgresql://db.example"),
        ("postgresql:///?service=near", {}, None, "/var/run/postgresql"),
        ("postgresql:///", {"PGSERVICE": "far"}, "verify-full", "postgresql://db.example:6432/shop"),
        ("postgresql:///shop", {"PGHOST": "db.example"}, "verify-full", "postgresql://db.example"),
        ("postgresql:///shop", {"PGHOST": "db.example", "PGSSLMODE": "prefer"}, None, "postgresql://db.example"),
        ("postgresql:///shop", {"PGHOSTADDR": "192.0.2.1"}, "verify-full", "postgresql://192.0.2.1"),
        ("postgresql:///shop", {}, None, "postgresql://localhost"),
        ("postgresql://here.example/shop", {"PGHOST": "localhost"}, "verify-full", "postgresql://here.example"),
        ("postgresql://localhost/shop", {"PGHOST": "db.example"}, None, "postgresql://localhost"),
    ],
)
def test_what_is_asked_of_a_server_and_how_it_is_called(url, environment, sslmode, shown, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    where = address(Settings(url=url))
    told = conninfo_to_dict(where.conninfo)
    assert told.get("sslmode") == sslmode
    assert shown in where.shown
    assert told.get("sslrootcert") == ("system" if sslmode == "verify-full" and "ours" not in url else None)
