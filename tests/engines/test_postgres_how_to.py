"""What docs/how-to/transactions.md shows for PostgreSQL, tried block by block on a server, with each library."""

import ast
import asyncio
import fcntl
import inspect
import re
from pathlib import Path

import psycopg
import pytest

from engines.servers import postgres
from forebay import Forebay
from forebay.testing import drain

lenders = pytest.importorskip("engines.servers.lenders", exc_type=ImportError)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "transactions.md"
SHOWN = "postgresql://shop@db.example/shop"


def blocks():
    """The code of the section on PostgreSQL; the first of it is the app."""
    section = PAGE.read_text().partition("## On PostgreSQL\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def url(tmp_path_factory):
    """One test at a time, also of several processes: the page's table has one name in the database that they share."""
    settings = postgres.empty()
    with (tmp_path_factory.getbasetemp().parent / "orders.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        postgres.run("create table orders (id bigint generated always as identity primary key, customer text not null)")
        yield settings.url
        postgres.run("drop table orders")


def models(url, text):
    """The reader's own model of an order."""
    if "django" in text:
        connection = lenders.django_database(url)
        from django.db import models

        meta = type("Meta", (), {"app_label": "shop", "db_table": "orders"})
        fields = {"__module__": "shop", "Meta": meta, "customer": models.TextField()}
        return type("Order", (models.Model,), fields), connection.close
    import sqlalchemy as sa
    from sqlalchemy.orm import declarative_base

    fields = {"id": sa.Column(sa.BigInteger, primary_key=True), "customer": sa.Column(sa.Text)}
    return type("Order", (declarative_base(),), {"__tablename__": "orders", **fields}), lambda: None


@pytest.mark.parametrize("number", range(1, len(blocks())))
def test_a_block_of_the_page_works_as_it_stands(url, number):
    app = Forebay(url, namespace=postgres.NAMESPACE, durability="normal")

    @app.task
    def confirm(order: int, to: str) -> str:
        return f"order {order} confirmed to {to}"

    text = blocks()[number]
    code = text.replace(SHOWN.removeprefix("postgresql"), url.removeprefix("postgresql"))
    order, close = models(url, text)
    here = {"psycopg": psycopg, "URL": url, "app": app, "confirm": confirm, "Order": order}
    done = eval(compile(code, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), here)
    with app:
        asyncio.run(ended(done, here))
        close()
        assert [ended.value for ended in drain(app)] == ["order 1 confirmed to ann@example.org"]
        assert postgres.run("select customer from orders") == [("ann",)]


async def ended(block, here):
    """The block, and what its reader's program would close at its end."""
    if inspect.iscoroutine(block):
        await block
    for thing in (getattr(here.get("engine"), "dispose", None), getattr(here.get("db"), "close", None)):
        closing = thing and thing()
        if inspect.isawaitable(closing):
            await closing


def test_the_page_shows_each_library():
    text = "".join(blocks())
    for name in ("psycopg", "AsyncConnection", "sqlalchemy.orm", "AsyncSession", "django", "asyncpg"):
        assert name in text
    assert SHOWN in text
