"""The design system: the style sheets of every page, and the effect of ``mf.display``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import msgflux_nb as mf
from msgflux_nb.display.icons import ICONS, icon
from msgflux_nb.widgets.base import scale
from msgflux_nb.widgets.base.join import WIDGETS, join
from msgflux_nb.widgets.base.scale import current
from msgflux_nb.widgets.base.sheet import sheet, style
from msgflux_nb.widgets.base.view import page_code
from msgflux_nb.widgets.prefill.prefill_editor import PrefillEditor


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    mf.display(scale=1, density="normal")


def test_a_view_that_is_shown_follows_the_scale() -> None:
    view = PrefillEditor(mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1"))
    assert view.look == {"scale": 1, "density": 1}
    mf.display(scale=1.6, density="compact")
    assert view.look == {"scale": 1.6, "density": 0.8}
    later = PrefillEditor(mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1"))
    assert later.look == view.look
    mf.display(scale=2)
    assert view.look == {"scale": 2, "density": 0.8}


@pytest.mark.parametrize("wrong", [{"scale": 0.1}, {"scale": 9}, {"density": "tight"}])
def test_a_size_that_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="display: expected"):
        mf.display(**wrong)  # type: ignore[arg-type]
    assert current() == {"scale": 1, "density": 1}


def test_display_is_called_by_its_name_also_once_the_room_is_imported() -> None:
    import msgflux_nb.display.html  # noqa: F401 - this puts the module into the package's namespace

    assert mf.display is scale.display
    mf.display(scale=1.5)
    assert current()["scale"] == 1.5


def test_an_icon_is_the_same_in_pages_and_in_static_html() -> None:
    code = join(WIDGETS / "base" / "controls.js").text
    for name, path in ICONS.items():
        assert path in code
        assert path in icon(name)
    assert 'aria-hidden="true"' in icon("check")
    assert 'aria-label="&lt;b&gt;"' in icon("check", "<b>")


def test_every_icon_that_a_page_names_exists() -> None:
    named = re.findall(r'(?:\bicon\(|iconButton\(|icon: )"([^"]+)"', page_code(PrefillEditor.stem))
    assert named
    assert set(named) <= ICONS.keys()


def test_the_sheet_is_short_and_whole() -> None:
    assert "/*" not in sheet()
    assert len(sheet()) < 11_800  # it is in each saved output of a view
    assert sheet().count("{") == sheet().count("}")
    assert style("tokens") == f"<style>{sheet('tokens')}</style>"


def test_colours_come_from_the_theme_alone() -> None:
    """The exceptions are fallbacks for hosts without Jupyter's variables, and a shadow."""
    for name in ("tokens", "parts"):
        text = re.sub(r"light-dark\([^)]*\)", "", sheet(name))
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", text) == [], name
