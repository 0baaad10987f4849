"""The URL of a file: each names one file and no other, or is refused with what to write instead."""

import os
from pathlib import Path

import pytest

from forebay import Forebay
from forebay.engine.sqlite.address import path_of, url_of
from forebay.model.errors import ConfigError

NAMES = [
    ("sqlite:///q.db", "q.db"),
    ("sqlite:////srv/q.db", "/srv/q.db"),
    ("sqlite:///./data/../q.db", "data/../q.db"),
    ("SQLite:///q.db", "q.db"),
    ("sqlite:///two words.db", "two words.db"),
    ("sqlite:///two%20words%23%3f%25.db", "two words#?%.db"),
    ("sqlite:///%7Eq.db", "~q.db"),
    ("sqlite:///q~.db", "q~.db"),
    ("sqlite:///%20q.db%20", " q.db "),
    ("sqlite:///caf%C3%A9.db", "café.db"),
    ("sqlite:///café.db", "café.db"),
    ("sqlite:///me@home:q.db", "me@home:q.db"),
    ("sqlite:///q.db;x=1&y=2", "q.db;x=1&y=2"),
]

REFUSED = [
    ("", "is no URL of an engine, it is empty .is FOREBAY_URL set to nothing. unset it.: write sqlite:///name.db"),
    (" ", "is no URL"),
    ("q.db", "is no URL"),
    ("/srv/q.db", "is no URL"),
    ("./a:b.db", "is no URL"),
    ("://q.db", "is no URL"),
    (" sqlite:///q.db", "is no URL"),
    ("sql\nite:///q.db", "is no URL"),
    ("sqlite", "is no URL"),
    ("sqlite3:///q.db", "no engine for URL scheme 'sqlite3'"),
    ("file:///q.db", "no engine for URL scheme 'file'"),
    ("postgresql+psycopg://ann:hush@host/shop", r"write postgresql://user:password@host/database"),
    ("POSTGRESQL://ann:hush@host/shop", r"…@host/shop: write postgresql://user:password@host:5432/database"),
    ("Postgres://ann:hush@host/shop", "write postgresql://"),
    ("postgresql:shop", "write postgresql://"),
    ("postgresql://ann:hush@host/shop?sslmod=require", "option 'sslmod' of the URL .* did you mean 'sslmode'?"),
    ("postgresql://ann:hush@host/shop?connect_timeout=1&zebra=2", "option 'zebra' of the URL .* take it out"),
    ("postgresql://ann:hu?sh@host/shop?zebra=a@b", "what is special in a password"),
    ("postgres//host/shop", r"is no URL of an engine: .* postgresql://user@host/database, redis://host"),
    ("postgresql://ann:hush@host:54x/shop", "port '54x' is no number from 1 to 65535"),
    ("postgresql://ann:hush@one:5432,two:99999/shop", "port '99999' is no number"),
    ("redis://ann:hush@host/0#more", "what stands after # would be dropped"),
    ("unix:///run/redis#1.sock", "what stands after # would be dropped"),
    ("sqlite+aiosqlite:///q.db", r"\+aiosqlite would be dropped"),
    ("memory+sqlite:///q.db", r"\+sqlite would be dropped"),
    ("sqlite:", "names no file"),
    ("sqlite:q.db", "names no file: write sqlite:///name.db, or sqlite:////folder/name.db"),
    ("sqlite:/q.db", "names no file"),
    ("sqlite:/srv/q.db", "names no file"),
    ("sqlite://", "names no file"),
    ("sqlite:///", "names no file"),
    ("sqlite://q.db", "a file has no host, user or password"),
    ("sqlite://localhost/q.db", "a file has no host"),
    ("sqlite://ann:hush@host/q.db", "a file has no host"),
    ("sqlite://///srv/q.db", "a slash too many"),
    ("sqlite:///q.db?timeout=30", "write %3F"),
    ("sqlite:///q.db?", "write %3F"),
    ("sqlite:///jobs#1.db", "write %23"),
    ("sqlite:///q.db#", "write %23"),
    ("sqlite:///100%.db", "write %25"),
    ("sqlite:///q%zz.db", "write %25"),
    ("sqlite:///q%2.db", "write %25"),
    ("sqlite:///q%00.db", "NUL"),
    ("sqlite:///q\0.db", "control character"),
    ("sqlite:///q\n.db", "control character"),
    ("sqlite:///q.db\n", "begins or ends with a space"),
    ("sqlite:///q.db ", "begins or ends with a space"),
    ("sqlite:/// q.db", "begins or ends with a space"),
    ("sqlite:///q\udcff.db", "write the bytes"),
    ("sqlite:///~/q.db", "~ is not expanded"),
    ("sqlite:///~ann/q.db", "~ is not expanded"),
    ("sqlite:///:memory:", "write memory://"),
    ("sqlite:////srv/:memory:", "write memory://"),
    ("sqlite:///data/", "names a folder"),
    ("sqlite:////", "names a folder"),
    ("sqlite:///.", "names a folder"),
    ("sqlite:////srv/..", "names a folder"),
    ("memory:", "write memory://"),
    ("memory:///", "write memory://"),
    ("memory://jobs", "write memory://"),
    ("memory://?size=1", "write memory://"),
]


@pytest.mark.parametrize(("url", "path"), NAMES)
def test_a_url_names_one_file(url, path):
    assert path_of(url) == Path(path)


@pytest.mark.parametrize(("url", "says"), REFUSED)
def test_a_url_that_is_not_understood_is_refused_with_what_to_write(url, says, monkeypatch):
    monkeypatch.delenv("FOREBAY_URL", raising=False)
    with pytest.raises(ConfigError, match=says) as caught:
        Forebay(url)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["q.db", "#1?.db", "50%.db", " q ", "~", "café", os.fsdecode(b"\xff"), "a\nb"])
def test_every_file_has_a_url(tmp_path, name):
    for path in (Path(name), tmp_path / name):
        assert path_of(url_of(path)) == path
