"""Gets the bytes of what a notebook shows as a picture or plays as a sound."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ..errors import MediaError
from .generated import Audio, Image
from .pillow import guard, reason
from .source import SOURCES, Source, has_bytes, is_url, read, short

__all__ = ["items_of", "resolve"]

_PICTURES = ("image/png", "image/jpeg")
_INSTEAD = {
    "plotly": "Install kaleido, or save it yourself: figure.write_image('figure.png').",
    "altair": "Install vl-convert-python, or save it yourself: chart.save('chart.png').",
    "bokeh": "Save it: bokeh.io.export_png(figure, filename='figure.png').",
}


def resolve(src: object) -> object:
    """Turn an object of a notebook into a ``Source`` or a web address; return anything else as it is.

    Accepts figures and axes (drawn as the notebook shows them), any object that displays itself as PNG or JPEG, the
    ``Image`` and ``Audio`` of a response and of IPython, an ipywidgets ``FileUpload`` and the entries of its value.

    Raises:
        MediaError: the object cannot be drawn, or it holds no file.
    """
    if src is None or has_bytes(src):
        return src
    if isinstance(src, Image):
        data = src.data
        return src.url if data is None else Source(data=data, name="the model's image")
    if isinstance(src, Audio):
        if not src.data:
            raise MediaError("the model's sound has a transcript but no bytes. Pass the transcript as text.")
        return Source(data=src.file()[0], name="the model's sound")
    if _is_uploads(src):
        return _only(items_of(src))
    if isinstance(src, Mapping):
        return _stored(src)
    if isinstance(src, (list, tuple, set, frozenset)) or (_is_listing(src) and _first_figure(src) is None):
        kind = type(src).__name__
        raise MediaError(f"A {kind} is not one picture or file. Pass its items one by one, or as media=[...].")
    with guard(f"the {type(src).__name__} cannot be shown", "Save it as PNG and pass the file."):
        return _displayed(src)


def items_of(media: object) -> list[object]:
    """Return the items of a list, tuple, column or ``FileUpload``; anything else becomes a list of one."""
    if isinstance(media, (list, tuple)):
        return [one for item in media for one in (_uploads(item) if _is_uploads(item) else [item])]
    if _is_uploads(media):
        return _uploads(media)
    if _is_listing(media) and _first_figure(media) is None:
        return _listed(media)
    return [] if media is None else [media]


def _is_listing(src: Any) -> bool:
    """Whether an array holds paths or other objects, as a Parquet cell does, instead of a picture's numbers."""
    return getattr(getattr(src, "dtype", None), "kind", None) in ("O", "U", "S", "T") and getattr(src, "ndim", 0) == 1


def _first_figure(src: Any) -> Any:
    """Return the figure of an array of axes, such as ``plt.subplots`` makes; None for other arrays."""
    first = next(iter(src.flat), None) if hasattr(src, "flat") else None
    return None if first is None or has_bytes(first) else _figure(first)


def _listed(media: Any) -> list[object]:
    items = media.tolist()
    return items if isinstance(items, list) else [items]


# Uploads: in ipywidgets 8 a tuple of mappings with "content"; in ipywidgets 7 a mapping from file name to such.


def _is_upload(src: object) -> bool:
    return isinstance(src, Mapping) and isinstance(src.get("content"), (bytes, bytearray, memoryview))


def _is_uploads(src: object) -> bool:
    if isinstance(src, Mapping):
        return _is_upload(src) or (bool(src) and all(map(_is_upload, src.values())))
    if isinstance(src, (list, tuple)):
        return bool(src) and all(map(_is_upload, src))
    return type(src).__name__ == "FileUpload" and hasattr(src, "value")


def _uploads(src: Any) -> list[object]:
    """Return the files of an upload under their own names."""
    if _is_upload(src):
        return [_uploaded(src, src.get("name"))]
    if isinstance(src, Mapping):
        return [_uploaded(entry, name) for name, entry in src.items()]
    return [one for entry in (src if isinstance(src, (list, tuple)) else _entries(src)) for one in _uploads(entry)]


def _entries(widget: Any) -> list[Any]:
    value = widget.value
    return [value] if isinstance(value, Mapping) and value else list(value)


def _uploaded(entry: Mapping[str, Any], name: object) -> Source:
    metadata = entry.get("metadata")
    name = name or (metadata.get("name") if isinstance(metadata, Mapping) else None)
    data = read(entry["content"])
    if not isinstance(name, str):
        return data
    file_name = re.split(r"[/\\]", name)[-1][-120:]
    return Source(data=data.data, name=file_name or data.name, file_name=file_name or None)


def _only(items: list[object]) -> object:
    if len(items) == 1:
        return items[0]
    if not items:
        raise MediaError("the upload holds no file yet. Choose one first, or pass a path.")
    raise MediaError(f"the upload holds {len(items)} files. Pass one: upload.value[0], or all: media=upload.value.")


def _stored(src: Mapping[Any, Any]) -> object:
    """Return the file in a cell of an image column of Hugging Face's datasets, or its path."""
    data, path = src.get("bytes"), src.get("path")
    if set(src) == {"bytes", "path"} and (isinstance(data, bytes) or isinstance(path, str)):
        return data if isinstance(data, bytes) else path
    if isinstance(src.get("type"), str):
        kind = short(src["type"])
        raise MediaError(f"A dict of type {kind} is a content part already. Put it into a message: media=[part].")
    raise MediaError(f"A {type(src).__name__} is not a picture or file. Expected {SOURCES}.")


# Objects that display themselves


def _displayed(src: object) -> object:
    kind = type(src)
    library = kind.__module__.split(".")[0]
    _check_no_table(src, library)
    if library == "IPython":
        return _ipython(src)
    if library == "ipywidgets" and isinstance(getattr(src, "value", None), (bytes, memoryview)):
        return Source(data=bytes(src.value), name=f"the {kind.__name__} widget")  # type: ignore[attr-defined]  # asked above
    if library in _INSTEAD and (drawn := _exported(src, library)) is not None:
        return drawn
    figure = _figure(src)
    if figure is not None:
        return _drawn(figure)
    # Pillow's images and arrays can display themselves too, but are read directly, without encoding them first.
    if hasattr(src, "__array__") or library == "PIL":
        return src
    shown = _shown(src)
    if shown is None and library in _INSTEAD:
        raise MediaError(f"A {kind.__name__} of {library} does not show itself as a picture here. {_INSTEAD[library]}")
    return src if shown is None else Source(data=shown, name=f"the {kind.__name__}")


def _check_no_table(src: object, library: str) -> None:
    """Refuse a table, which numpy would read as an array of numbers."""
    of_tables = library in ("pandas", "polars") and hasattr(src, "__array__")
    if of_tables or hasattr(src, "iloc") or hasattr(src, "__dataframe__"):
        raise MediaError(
            f"A {type(src).__name__} is a table, not a picture. Send it as text (df.to_markdown()), "
            "or draw it (df.plot())."
        )


def _figure(src: Any) -> Any:
    """Return the object that can be saved: matplotlib's figure, seaborn's wrapper of it, or the figure of axes."""
    if callable(getattr(src, "savefig", None)):
        return src
    if getattr(getattr(src, "dtype", None), "kind", None) == "O":
        return _first_figure(src)
    figure = getattr(src, "figure", None)
    return figure if callable(getattr(figure, "savefig", None)) else None


def _drawn(figure: Any) -> Source:
    """Save a figure as the notebook shows it: with everything that belongs to it, on its own background."""
    out = io.BytesIO()
    with guard("the figure cannot be drawn", "Draw it once with figure.savefig('figure.png')."):
        options = {}
        if callable(getattr(figure, "get_facecolor", None)):
            options = {"facecolor": figure.get_facecolor(), "edgecolor": figure.get_edgecolor(), "dpi": figure.dpi}
        figure.savefig(out, format="png", bbox_inches="tight", **options)
    return Source(data=out.getvalue(), name="the figure")


def _exported(src: Any, library: str) -> Source | None:
    """Return the picture that a charting library exports; None if the library has no export."""
    out = io.BytesIO()
    kind = type(src).__name__
    try:
        if library == "plotly" and callable(getattr(src, "to_image", None)):
            data = src.to_image(format="png")
        elif library == "altair" and callable(getattr(src, "save", None)):
            src.save(out, format="png")
            data = out.getvalue()
        else:
            return None
    except Exception as error:  # the exporter is often not installed
        raise MediaError(f"the {kind} cannot be drawn: {reason(error)}. {_INSTEAD[library]}") from error
    return Source(data=bytes(data), name=f"the {kind}")


def _shown(src: Any) -> bytes | None:
    """Return the PNG or JPEG by which an object displays itself; None if it has neither."""
    kind = type(src)
    with guard(f"the {kind.__name__} cannot be drawn", "Save it as PNG and pass the file."):
        for method in ("_repr_png_", "_repr_jpeg_"):
            if callable(getattr(kind, method, None)):
                data = _bytes_of(getattr(src, method)())
                if data is not None:
                    return data
        if callable(getattr(kind, "_repr_mimebundle_", None)):
            return _from_bundle(src._repr_mimebundle_(include=None, exclude=None))
    return None


def _from_bundle(bundle: Any) -> bytes | None:
    bundle = bundle[0] if isinstance(bundle, tuple) and bundle else bundle
    if not isinstance(bundle, Mapping):
        return None
    found = (_bytes_of(bundle.get(kind)) for kind in _PICTURES)
    return next((data for data in found if data is not None), None)


def _bytes_of(shown: Any) -> bytes | None:
    """Return the bytes of a shown picture, without metadata and with base64 decoded."""
    shown = shown[0] if isinstance(shown, tuple) and shown else shown
    if isinstance(shown, str) and shown:
        return read("data:;base64," + shown).data
    return bytes(shown) if isinstance(shown, (bytes, bytearray, memoryview)) else None


def _ipython(src: Any) -> object:
    """Return the data of an ``IPython.display`` Image or Audio, else its file, else its address."""
    kind = type(src).__name__
    data, url = getattr(src, "data", None), getattr(src, "url", None)
    if isinstance(data, str) and kind in ("Image", "Audio"):
        data = _bytes_of(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Source(data=bytes(data), name=f"IPython's {kind}")
    if getattr(src, "filename", None):
        return read(src.filename)
    if is_url(url):
        return str(url)
    if kind in ("SVG", "Video", "HTML", "Markdown"):
        raise MediaError(f"IPython's {kind} holds no PNG or JPEG. Save what it shows as PNG and pass the file.")
    shown = _shown(src)
    return src if shown is None else Source(data=shown, name=f"IPython's {kind}")
