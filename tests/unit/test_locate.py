"""From `module:attribute` to the app: what is found, and what is said when it is not."""

import pytest

from forebay.locate import BrokenApp, locate
from forebay.model.errors import ConfigError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with a module of a name that nobody else has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_app_is_found_by_module_and_attribute(here):
    (here / "located_shop.py").write_text(
        "import forebay\napp = forebay.Forebay('memory://')\nother = forebay.Forebay('memory://')\n"
    )
    assert locate("located_shop:app").settings.url == "memory://"
    assert locate("located_shop") is locate("located_shop:app")
    assert locate("located_shop:other") is not locate("located_shop:app")


@pytest.mark.parametrize("locator", ["", ":app", "shop.tasks.py/app:app", "..shop:app", "a b:app"])
def test_a_locator_that_names_no_module(here, locator):
    with pytest.raises(ConfigError, match="module:attribute"):
        locate(locator)


def test_a_module_that_is_not_there(here):
    with pytest.raises(ConfigError, match="no module 'nowhere_to_be_found'"):
        locate("nowhere_to_be_found:app")


def test_an_attribute_that_is_no_app(here):
    (here / "located_wrong.py").write_text("app = 3\n")
    with pytest.raises(ConfigError, match="is no Forebay app"):
        locate("located_wrong:app")
    with pytest.raises(ConfigError, match="no Forebay object named 'missing'"):
        locate("located_wrong:missing")


def test_an_import_that_fails_inside_the_module_is_named_with_its_own_error(here):
    (here / "located_broken.py").write_text("import located_brok\n")
    with pytest.raises(BrokenApp, match=r"located_broken\.py:1: ModuleNotFoundError: No module named 'located_brok'"):
        locate("located_broken:app")
