"""Tests that files that a table names are read only from one folder, if the caller names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from tests.content.pictures import to_bytes, two_halves

from .scripted_model import Scripted


class Scan(msgspec.Struct):
    name: str


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a picture and a link to one outside it; the working folder is its parent."""
    folder = tmp_path / "scans"
    folder.mkdir()
    picture = to_bytes(two_halves(), "PNG")
    for path in (folder / "a.png", tmp_path / "secret.png"):
        path.write_bytes(picture)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "inner.png").symlink_to(folder / "a.png")
    (tmp_path / "scans-of-others").mkdir()
    (tmp_path / "scans-of-others" / "a.png").write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    return folder


def extracted(cells: list[Any], **options: Any) -> pd.DataFrame:
    model = Scripted(lambda _: Scan("a"))
    data = pd.DataFrame({"scan": pd.Series(cells, dtype=object)})
    return mf.extract(data, Scan, model=model, images="scan", prompt="What?", progress=False, store=False, **options)


def test_a_path_in_the_folder_is_read_from_either_place(scans: Path) -> None:
    cells = ["scans/a.png", "a.png", str(scans / "a.png"), scans / "inner.png", "./scans/../scans/a.png"]
    assert list(extracted(cells, folder="scans")["_status"]) == ["ok"] * len(cells)


def test_a_path_elsewhere_is_not_read_and_fails_its_row_alone(scans: Path) -> None:
    outside = ["secret.png", "scans/../secret.png", str(scans.parent / "secret.png"), "scans/link.png"]
    outside += ["scans-of-others/a.png", "~/a.png", Path("secret.png"), "/proc/self/environ"]  # type: ignore[list-item]
    table = extracted([*outside, "a.png"], folder=scans)
    assert list(table["_status"]) == ["failed"] * len(outside) + ["ok"]
    assert table["_error"][0].startswith("MediaError: 'secret.png' is not in 'scans'")


def test_a_list_of_paths_is_looked_at_one_by_one(scans: Path) -> None:
    assert list(extracted([["a.png", "secret.png"], ["a.png"]], folder=scans)["_status"]) == ["failed", "ok"]


def test_sources_other_than_paths_are_not_limited_to_the_folder(scans: Path) -> None:
    cells = [(scans / "a.png").read_bytes(), "https://example.com/a.png"]
    assert list(extracted(cells, folder=scans)["_status"]) == ["ok", "ok"]


def test_without_it_any_file_is_read(scans: Path) -> None:
    assert list(extracted(["secret.png"])["_status"]) == ["ok"]


@pytest.mark.parametrize(("folder", "kind"), [("nowhere", ValueError), (7, TypeError)])
def test_an_invalid_folder_is_refused_before_anything_is_sent(scans: Path, folder: Any, kind: Any) -> None:
    with pytest.raises(kind, match="folder"):
        extracted(["a.png"], folder=folder)
