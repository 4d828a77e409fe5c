"""What a caller hands over → bytes in memory, or a URL that a provider may fetch.

A local file is read only because the caller names its path. A URL is never fetched here.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MediaError

__all__ = ["SOURCES", "Source", "check_url", "is_url", "read", "short"]

SOURCES = "a path, bytes, an open binary file, a PIL image, a numpy array, a matplotlib figure, an https or data URL"

_MAX_BYTES = 100_000_000
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]+://|file:)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
# Numbers that are no address in the usual spelling (2130706433, 0x7f.1) are read as one by many resolvers.
_ODD_ADDRESS = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa")


class Source(msgspec.Struct, frozen=True):
    """A file in memory.

    Attributes:
        data: all its bytes.
        name: what error messages call it.
        file_name: its own name without the folder; None when it has none.
    """

    data: bytes
    name: str
    file_name: str | None = None


def read(src: object) -> Source:
    """Read a path, bytes, an open binary file or a data URL; an open file is left at the place where it was.

    Raises:
        MediaError: there is no such file, it has more than 100,000,000 bytes, or the source is none of these.
    """
    if isinstance(src, Source):
        return src
    if isinstance(src, (bytes, bytearray, memoryview)):
        data = bytes(src)
        return Source(data=data, name=f"the data of {len(data):,} bytes")
    if isinstance(src, str):
        return _read_text(src)
    if hasattr(src, "__fspath__"):
        return _read_path(Path(src))
    if hasattr(src, "read"):
        return _read_file(src)
    raise MediaError(f"A {type(src).__name__} cannot be sent; expected {SOURCES}.")


def short(text: str) -> str:
    """Quote a text for an error message, cut when it is long."""
    return repr(text if len(text) <= 80 else text[:60] + "…")


def _read_text(src: str) -> Source:
    if src[:5].lower() == "data:":
        return Source(data=_decode_data_url(src), name="the data URL")
    if is_url(src):
        raise MediaError(f"{short(src)} is a URL, which is never fetched here. Download it and pass the file.")
    if _URL.match(src):
        raise MediaError(
            f"{short(src)} is refused: only https and data URLs are passed on. Name a local file by its path."
        )
    return _read_path(Path(src))


def _decode_data_url(src: str) -> bytes:
    head, comma, payload = src.partition(",")
    if not comma:
        raise MediaError(f"{short(src)} is no data URL: it has no comma before its data.")
    raw = urllib.parse.unquote_to_bytes(payload)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(re.sub(rb"\s", b"", raw), validate=True)
    except binascii.Error as error:
        raise MediaError(f"{short(src)} is damaged: its base64 does not decode ({error}).") from error


def _read_path(path: Path) -> Source:
    try:
        path = path.expanduser()
        if not path.is_file():
            what = (
                "is a folder or a device, not a file" if path.exists() else f"does not exist; looked from {Path.cwd()}"
            )
            raise MediaError(f"{short(str(path))} {what}.")
        length = path.stat().st_size
        if length > _MAX_BYTES:
            raise MediaError(f"{path.name} has {length:,} bytes; at most {_MAX_BYTES:,} are read.")
        return Source(data=path.read_bytes(), name=path.name, file_name=path.name)
    except (OSError, ValueError, RuntimeError) as error:
        # Too long a name, a NUL, no permission, no home folder: text that is no path, or a path that cannot be read.
        raise MediaError(f"{short(str(path))} cannot be read as a file: {error}. Expected {SOURCES}.") from error


def _read_file(file: Any) -> Source:
    given = getattr(file, "name", None)
    file_name = Path(given).name if isinstance(given, str) else None
    name = file_name or "the open file"
    try:
        start = file.tell() if file.seekable() else None
        data = file.read(_MAX_BYTES + 1)
        if start is not None:
            file.seek(start)
    except (AttributeError, OSError, ValueError) as error:
        raise MediaError(f"{name} cannot be read: {error}.") from error
    if isinstance(data, str):
        raise MediaError(f"{name} is open as text; open it as binary: open(path, 'rb').")
    if len(data) > _MAX_BYTES:
        raise MediaError(f"{name} has more than {_MAX_BYTES:,} bytes, the most that is read.")
    return Source(data=bytes(data), name=name, file_name=file_name)


def is_url(src: object) -> bool:
    """Whether a source is a web address, good or not."""
    return isinstance(src, str) and src[:8].lower().startswith(("https://", "http://"))


def check_url(url: str) -> str:
    """Return a URL that a provider may be asked to fetch: https, at a public host, without a password.

    Raises:
        MediaError: it is not. A provider's server would fetch a private address from inside its own network.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = _host(parts.hostname or ""), parts.port
    except ValueError as error:  # UnicodeError, from a host that no name server could know, is one too
        raise MediaError(f"{short(url)} is no URL: {error}.") from error
    if _is_private(host):
        raise MediaError(f"{short(url)} is a private address, which no provider should fetch. Pass the file itself.")
    if parts.scheme != "https":
        raise MediaError(f"{short(url)} is refused: expected an https URL. Download it and pass the file.")
    if parts.username is not None or parts.password is not None:
        raise MediaError(f"The URL at {host} holds a user name or password, which would be sent on. Pass the file.")
    if re.search(r"[\s\\\x00-\x1f]", url):
        raise MediaError(f"{short(url)} holds a space, a backslash or a control character. Percent-encode it.")
    return url


def _host(name: str) -> str:
    """Spell a host as a resolver will: lower case, dots and digits of other scripts made ASCII."""
    return name.rstrip(".") if name.isascii() else name.encode("idna").decode().rstrip(".")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        pass
    if _ODD_ADDRESS.fullmatch(host) is not None or host.endswith(_LOCAL_SUFFIXES):
        return True
    return _HOST.fullmatch(host) is None
