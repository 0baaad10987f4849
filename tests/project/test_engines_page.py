"""The page of engines says what the engines say of themselves."""

from pathlib import Path

import engines_page
from forebay.engine.capabilities import Capabilities

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "engines.md"


def test_the_page_of_engines_is_the_one_that_is_made_now():
    again = "make it again: python tools/engines_page.py > docs/reference/engines.md"
    assert PAGE.read_text() == engines_page.page(), again


def test_each_capability_is_explained_in_the_order_of_its_field():
    meanings = engines_page.meanings()
    assert list(meanings) == list(Capabilities.__struct_fields__)
    assert all(len(meaning) > 10 for meaning in meanings.values())
