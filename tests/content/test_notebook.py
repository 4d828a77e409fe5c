"""Objects that a notebook shows as pictures: they are sent as the notebook shows them."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import IPython.display
import ipywidgets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import msgflux_nb as mf
from msgflux_nb.content.generated import Audio
from msgflux_nb.content.generated import Image as MadeImage
from msgflux_nb.content.media import load_image
from msgflux_nb.errors import MediaError
from msgflux_nb.widgets.conversation.attachments import attachment

from .pictures import sent, to_bytes, two_halves
from .sounds import mp3, tone

PNG = to_bytes(two_halves())
TEXT = base64.b64encode(PNG).decode()
UPLOAD = {"name": "C:\\photos\\a b.png", "type": "image/png", "size": len(PNG), "content": memoryview(PNG)}


class ShowsPng:
    def _repr_png_(self) -> bytes:
        return PNG


class ShowsJpeg:
    def _repr_png_(self) -> None:
        return None

    def _repr_jpeg_(self) -> tuple[bytes, dict[str, int]]:
        return to_bytes(two_halves(), "JPEG"), {"width": 40}


class ShowsBundle:
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return {"text/plain": "a chart", "image/png": TEXT}, {}


class Raises:
    def _repr_png_(self) -> bytes:
        raise KeyError("renderer")


def uploader(*files: dict[str, Any]) -> ipywidgets.FileUpload:
    return type("FileUpload", (), {"value": files})()  # the widget's own trait takes no value of another's making


SOURCES: dict[str, Any] = {
    "something with a PNG": ShowsPng(),
    "something with a JPEG": ShowsJpeg(),
    "something with a bundle": ShowsBundle(),
    "an image of a response": MadeImage("data:image/png;base64," + TEXT),
    "an image of IPython": IPython.display.Image(PNG),
    "a widget": ipywidgets.Image(value=PNG),
    "an upload": UPLOAD,
    "a value of uploads": (UPLOAD,),
    "an upload widget": uploader(UPLOAD),
    "a value of uploads of ipywidgets 7": {"a.png": {"metadata": {"name": "a.png"}, "content": PNG}},
    "a cell of datasets": {"bytes": PNG, "path": None},
    "a masked array": np.ma.masked_array(np.zeros((4, 6), dtype=np.uint8)),
}


@pytest.mark.parametrize("what", SOURCES)
def test_what_a_notebook_shows_as_a_picture_goes_in(what: str) -> None:
    part = mf.ChatBlock.image(SOURCES[what])
    assert part["image_url"]["url"].startswith("data:image/")
    assert mf.ChatBlock.user("", media=SOURCES[what])["content"] == [part]
    assert attachment("1", SOURCES[what]).part == part


def test_an_upload_keeps_the_name_that_the_person_gave() -> None:
    assert attachment("1", UPLOAD).card()["name"] == "a b.png"
    with pytest.raises(MediaError, match=r"^a b\.png is damaged|^a b\.png begins like"):
        mf.ChatBlock.image({**UPLOAD, "content": PNG[:50]})


def test_all_uploads_go_in_as_media() -> None:
    assert len(mf.ChatBlock.user("", media=(UPLOAD, UPLOAD))["content"]) == 2
    with pytest.raises(MediaError, match="holds 2 files"):
        mf.ChatBlock.image((UPLOAD, UPLOAD))
    with pytest.raises(MediaError, match="no file yet"):
        mf.ChatBlock.image(uploader())


def test_the_address_of_an_image_is_passed_on() -> None:
    for source in (IPython.display.Image(url="https://example.org/a.png"), MadeImage("https://example.org/a.png")):
        assert mf.ChatBlock.image(source)["image_url"]["url"] == "https://example.org/a.png"
    with pytest.raises(MediaError, match="private address"):
        mf.ChatBlock.image(MadeImage("http://169.254.169.254/a.png"))


def test_sound_of_a_response_and_of_ipython_goes_in() -> None:
    for source in (Audio(tone(), format="wav"), Audio(bytes(480), format="pcm16"), IPython.display.Audio(data=tone())):
        assert mf.ChatBlock.audio(source)["input_audio"]["format"] == "wav"
        assert mf.ChatBlock.user("", media=source)["content"][0]["type"] == "input_audio"
    assert mf.ChatBlock.audio({**UPLOAD, "content": mp3(3)})["input_audio"]["format"] == "mp3"
    with pytest.raises(MediaError, match="transcript but no bytes"):
        mf.ChatBlock.audio(Audio(b"", transcript="hello"))


@pytest.mark.parametrize("cell", [np.array([PNG, PNG], dtype=object), pd.Series([PNG, PNG]), [PNG, PNG]])
def test_a_cell_of_several_pictures_is_taken_apart(cell: Any) -> None:
    assert len(mf.ChatBlock.user("", media=cell)["content"]) == 2


def test_a_parquet_cell_of_paths_is_taken_apart(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for path in paths:
        Path(path).write_bytes(PNG)
    for kind in (object, str):
        assert len(mf.ChatBlock.user("", media=np.array(paths, dtype=kind))["content"]) == 2
    assert load_image(np.array(paths)[0]).data == PNG


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pd.DataFrame(np.zeros((20, 20))), r"A DataFrame is a table, not a picture\. Send it as text .* or draw it"),
        (pd.Series([1, 2]), "A Series is a table"),
        ({}, "A dict is not a picture or file. Expected a path"),
        ({"a": 1}, "A dict is not a picture"),
        (mf.ChatBlock.image(PNG), "is a content part already"),
        ([PNG], r"A list is not one picture.*media=\[\.\.\.\]"),
        ((), "A tuple is not one picture"),
        (np.array(["a.png"]), "A ndarray is not one picture"),
        (3, "A int cannot be sent; expected a path"),
        (2.5, "A float cannot be sent"),
        (np.float64(2), r"shape \(\)"),
        (np.frombuffer(PNG, np.uint8), r"array\.tobytes\(\)"),
        (np.zeros((2, 8, 8, 3)), r"array\[0\]"),
        (Raises(), "the Raises cannot be .*KeyError.*renderer.*Save it as PNG"),
        (IPython.display.SVG("<svg xmlns='http://www.w3.org/2000/svg'/>"), "IPython's SVG holds no PNG or JPEG"),
        (ipywidgets.IntSlider(), "A IntSlider cannot be sent"),
        (Image.Image, "A type cannot be sent"),
        (memoryview(bytearray(3)), "begin with 00 00 00"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_pass(source: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        mf.ChatBlock.image(source)


def test_a_pil_image_that_was_closed_or_whose_file_is_gone_is_refused(tmp_path: Path) -> None:
    closed = Image.open(io.BytesIO(PNG))
    closed.close()
    path = tmp_path / "a.png"
    path.write_bytes(PNG[:70])
    with Image.open(path) as cut:
        for image in (closed, cut):
            with pytest.raises(MediaError, match=r"the PIL image cannot be read.*Open it again"):
                mf.ChatBlock.image(image)


class Chart:
    """A chart of a library whose exporter is not installed."""

    def to_image(self, format: str) -> bytes:  # noqa: A002  # plotly's own name
        raise ValueError("Image export requires the kaleido package")


class Exported(Chart):
    def to_image(self, format: str) -> bytes:  # noqa: A002  # plotly's own name
        return PNG


def test_a_chart_is_exported_or_its_exporter_named() -> None:
    Chart.__module__ = Exported.__module__ = "plotly.graph_objs"
    assert load_image(Exported()).data == PNG
    with pytest.raises(MediaError, match=r"kaleido.*Install kaleido, or save it yourself: figure\.write_image"):
        load_image(Chart())


class Saved:
    def save(self, out: Any, format: str) -> None:  # noqa: A002  # altair's own name
        out.write(PNG)


def test_an_altair_chart_is_saved() -> None:
    Saved.__module__ = "altair.vegalite.v6.api"
    assert load_image(Saved()).data == PNG


FIGURES = """
import matplotlib
matplotlib.use("agg")
import io, matplotlib.pyplot as plt, numpy as np
from PIL import Image
from msgflux_nb.content.media import load_image
figure, axes = plt.subplots(figsize=(3, 2), facecolor="black")
axes.plot([1, 2], label="a legend that stands outside")
axes.legend(bbox_to_anchor=(1.05, 1))
plain = io.BytesIO()
figure.savefig(plain, format="png")
for source in (figure, axes, plt, np.array([axes, axes])):
    image = Image.open(io.BytesIO(load_image(source).data))
    assert image.size[0] > Image.open(plain).size[0] + 50, image.size
    assert image.convert("RGB").getpixel((1, 1)) == (0, 0, 0)
broken, axes = plt.subplots()
axes.set_title("$\\\\frac{$")
try:
    load_image(broken)
except Exception as error:
    assert type(error).__name__ == "MediaError", error
    assert "the figure cannot be drawn" in str(error)
else:
    raise AssertionError("a title that cannot be drawn")
"""


def test_a_figure_is_drawn_as_the_notebook_shows_it() -> None:
    done = subprocess.run([sys.executable, "-c", FIGURES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_large_figure_is_shrunk_like_any_picture() -> None:
    assert max(sent(load_image(two_halves((4_000, 2_000)))).size) == 1_568
