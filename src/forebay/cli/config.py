"""`config show`: settings in force."""

from typing import Any

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.shared import Group, current, the_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.config import Origin, masked


@click.group(cls=Group)
def config() -> None:
    """Settings: flag, then FOREBAY_* in the environment, then [tool.forebay] in pyproject.toml, then the program."""


@config.command()
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
def show(*, origin: bool) -> None:
    """Print the settings in force."""
    rows = [_row(one) for one in _origins(the_app("config show"))]
    if not origin:
        rows = [{"name": row["name"], "value": row["value"]} for row in rows]
    if form() == "json" and not origin:
        output.show_one("json", {row["name"]: row["value"] for row in rows}, list[str])
        return
    columns: list[Column[dict[str, Any]]] = [
        Column("SETTING", lambda row: row["name"]),
        Column("VALUE", lambda row: str(row["value"]), flex=True),
        *([Column("ORIGIN", lambda row: row["origin"], flex=True)] if origin else []),
    ]
    output.show(form(), rows, Table(columns, ""))


def _origins(app: Forebay) -> list[Origin]:
    flag = current().url is not None  # it reaches the settings through the environment
    return [Origin(o.name, o.value, "--url") if flag and o.name == "url" else o for o in app.origins]


def _row(one: Origin) -> dict[str, Any]:
    value = masked(one.value) if isinstance(one.value, str) else one.value
    return {"name": one.name, "value": value, "origin": one.origin}
