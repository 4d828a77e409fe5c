"""Reads what a caller passes into bytes in memory, or checks a URL that a provider may fetch.

A local file is read only because the caller names its path. A URL is never fetched here.
"""

from __future__ import annotations

import base64
import binascii
import errno
import ipaddress
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MediaError
from .container import sniff
from .pillow import reason

__all__ = ["SOURCES", "Source", "check_url", "confined", "has_bytes", "is_url", "read", "short", "size_on_disk"]

SOURCES = "a path, bytes, an open binary file, a PIL image, a numpy array, a matplotlib figure, an https or data URL"

_MAX_BYTES = 100_000_000
_PATH_LETTERS = 4_096
_BASE64_LETTERS = 60
# How the base64 of a PNG, JPEG, GIF, RIFF, BMP, TIFF, PDF, MP3 or Ogg file begins.
_BASE64_OF_MEDIA = re.compile(
    r"\s*(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk|SUkqA|TU0AK|JVBERi|SUQz|T2dnUw|//[uv])[A-Za-z0-9+/_=\s-]{40,}"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]*")
_URL_LETTERS = bytes.maketrans(b"-_", b"+/")
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]+://|file:)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
# Many resolvers read unusual numbers (2130706433, 0x7f.1) as an address.
_ODD_ADDRESS = re.compile(r"(?:0x[0-9a-f]*+|\d++)(?:\.(?:0x[0-9a-f]*+|\d++))*+")
_HOST_LETTERS = 253  # the longest host name
# IPv4 addresses within IPv6: the well-known prefix (RFC 6052) and the one for local use (RFC 8215).
_NAT64 = int(ipaddress.IPv6Address("64:ff9b::")) >> 32
_OWN_NAT64 = int(ipaddress.IPv6Address("64:ff9b:1::")) >> 80
_TRANSLATED = 0xFFFF_0000  # ::ffff:0:a.b.c.d (RFC 2765)
# Not public either, although some versions of Python's ipaddress say so: the deprecated site-local prefix,
# documentation, segment routing, IPv4 protocol assignments and IPv4 relays (https://www.iana.org/assignments/
# iana-ipv6-special-registry and iana-ipv4-special-registry). The last is the address of Azure's own metadata.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("fec0::/10", "3fff::/20", "5f00::/16", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
    )
)
_LOCAL_SUFFIXES = (
    *(".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".home", ".corp"),
    *(".localdomain4", ".localdomain6", ".private", ".svc", ".test", ".invalid", ".onion", ".arpa"),
    *(".localnet", ".intra", ".intern", ".priv", ".mail", ".workgroup", ".router", ".gateway", ".fritz.box", ".k8s"),
    *(".consul", ".docker", ".i2p", ".alt"),
    # Public names for any address, or for this machine.
    *(".localtest.me", ".lvh.me", ".vcap.me", ".nip.io", ".sslip.io", ".xip.io", ".traefik.me", ".local.gd"),
    *(".backname.io", ".rbndr.us", ".1u.ms", ".lacolhost.com", ".localho.st", ".localdev.me", ".loopback.website"),
)


class Source(msgspec.Struct, frozen=True):
    """A file in memory.

    Attributes:
        data: all its bytes.
        name: the source's name in error messages.
        file_name: the file's own name without its folder; None if it has none.
    """

    data: bytes
    name: str
    file_name: str | None = None


def read(src: object) -> Source:
    """Read a path, bytes, an open binary file or a data URL; an open file's position is restored.

    Raises:
        MediaError: the file does not exist or has more than 100,000,000 bytes, or the source is none of these.
    """
    if isinstance(src, Source):
        return src
    if isinstance(src, (bytes, bytearray, memoryview)):
        return _in_memory(src)
    if isinstance(src, str):
        return _read_text(src)
    if hasattr(src, "__fspath__"):
        return _read_path(src)
    if hasattr(src, "read"):
        return _read_file(src)
    raise MediaError(f"A {type(src).__name__} cannot be sent; expected {SOURCES}.")


def size_on_disk(path: Path) -> int:
    """Return how many bytes a file has, before it is opened: opening a pipe, or reading a device, may never end.

    Files of the kernel (``/proc/kmsg``) have 0 bytes here; do not read more than this says.

    Raises:
        OSError: it is not there, or is a folder, a pipe or a device.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, not a file")
    return found.st_size


def has_bytes(src: object) -> bool:
    """Whether a source is of a kind that ``read`` accepts, readable or not."""
    plain = isinstance(src, (Source, str, bytes, bytearray, memoryview))
    return plain or hasattr(src, "__fspath__") or hasattr(src, "read")


def confined(src: Any, folder: Path) -> Any:
    """Return the source, with a path resolved and checked to lie inside ``folder``.

    Args:
        src: any source.
        folder: an absolute path without links. A relative source may be meant from here or from the working folder.

    Raises:
        MediaError: the path lies outside the folder, once links are followed.
    """
    if isinstance(src, str):
        if src[:5].lower() == "data:" or _URL.match(src) or len(src) > _PATH_LETTERS:
            return src
    elif not hasattr(src, "__fspath__"):
        return src
    try:
        path = Path(src).expanduser()
        found = [one.resolve() for one in (path, folder / path)]
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise MediaError(f"the path cannot be read as a file: {reason(error)}. Expected {SOURCES}.") from error
    inside = [one for one in found if one.is_relative_to(folder)]
    there = next((one for one in inside if one.is_file()), None)
    if there is None and (not inside or found[0].exists()):
        raise MediaError(
            f"{short(str(path))} is not in {folder.name!r}, the folder that files may come from. Move the file "
            "there, or change folder=."
        )
    return there or inside[0]


def short(text: str) -> str:
    """Quote a text for an error message, cut when it is long."""
    return repr(text if len(text) <= 80 else text[:60] + "…")


def _in_memory(src: bytes | bytearray | memoryview) -> Source:
    try:
        data = bytes(src)
    except ValueError as error:  # a memoryview that was released
        raise MediaError(f"the data cannot be read: {error}. Pass bytes.") from error
    return Source(data=data, name=f"the data of {len(data):,} bytes")


def _read_text(src: str) -> Source:
    if src[:5].lower() == "data:":
        return Source(data=_decode_data_url(src), name="the data URL")
    if is_url(src):
        raise MediaError(f"{short(src)} is a URL, which is never fetched here. Download it and pass the file.")
    if _URL.match(src):
        raise MediaError(
            f"{short(src)} is refused: only https and data URLs are passed on. Name a local file by its path."
        )
    if len(src) >= _BASE64_LETTERS and _is_base64(src[:1_000]):
        raise MediaError(
            f"{short(src)} is base64, not a path. Put data:image/png;base64, in front, or pass base64.b64decode(text)."
        )
    if len(src) > _PATH_LETTERS:
        raise MediaError(f"{short(src)} cannot be read as a file: {len(src):,} characters are too long for a path.")
    return _read_path(src)


def _is_base64(head: str) -> bool:
    if _BASE64_OF_MEDIA.fullmatch(head):
        return True
    mixed = any(map(str.isdigit, head)) and head.lower() != head != head.upper()
    return len(head) >= 400 and mixed and _BASE64.fullmatch(head) is not None


def _decode_data_url(src: str) -> bytes:
    comma = src.find(",")
    if comma < 0:
        raise MediaError(f"{short(src)} is not a data URL: no comma stands before its data.")
    try:
        data = urllib.parse.unquote_to_bytes(src[comma + 1 :])
        if not src[:comma].lower().endswith(";base64"):
            return data
        # Browsers accept base64 without padding, and in its URL-safe alphabet. Only one copy is held at a time.
        data = data.translate(_URL_LETTERS, delete=b" \t\n\r\v\f=")
        data += b"=" * (-len(data) % 4)
        return base64.b64decode(data, validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise MediaError(f"{short(src)} is damaged: its base64 does not decode ({reason(error)}).") from error


def _read_path(src: Any) -> Source:
    shown = "the path"
    if isinstance(src, str) and not src.strip():
        raise MediaError("the path is an empty text; expected the path of a file, or an https or data URL.")
    try:
        path = Path(src)
        shown = short(str(path))
        path = path.expanduser()
        if not path.is_file():
            what = (
                "is a folder or a device, not a file"
                if path.exists()
                else f"does not exist; the current folder is {Path.cwd()}"
            )
            raise MediaError(f"{shown} {what}.")
        length = path.stat().st_size
        if length > _MAX_BYTES:
            raise MediaError(f"{path.name} has {length:,} bytes; at most {_MAX_BYTES:,} are read.")
        if not length:
            # Kernel files (/proc/kmsg) have size 0 too, and reading one may never end.
            raise MediaError(f"{path.name} is empty: it has 0 bytes.")
        with path.open("rb") as file:
            data = file.read(length)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        # A name too long, a NUL, no permission, no home folder: text that is not a path, or a path that cannot be read.
        said = getattr(error, "strerror", None) or reason(error)  # without the path, which may be long
        raise MediaError(f"{shown} cannot be read as a file: {said}. Expected {SOURCES}.") from error
    return Source(data=data, name=path.name, file_name=path.name)


def _read_file(file: Any) -> Source:
    given = getattr(file, "name", None)
    file_name = Path(given).name if isinstance(given, str) else None
    name = file_name or "the open file"
    try:
        start = file.tell() if file.seekable() else None
        data = _read_on(file, name)
        if start is not None:
            if start and sniff(data) in (None, "text/plain"):
                # The file was written or read before, and not rewound.
                file.seek(0)
                whole = _read_on(file, name)
                data = data if sniff(whole) in (None, "text/plain") else whole
            file.seek(start)
    except MediaError:
        raise
    except Exception as error:  # a caller's file object may raise anything
        raise MediaError(f"{name} cannot be read: {reason(error)}. Pass its bytes, or open it as binary.") from error
    return Source(data=data, name=name, file_name=file_name)


def _read_on(file: Any, name: str) -> bytes:
    """Read to the end; an unbuffered file or a socket returns a piece at a time."""
    pieces: list[bytes] = []
    left = _MAX_BYTES + 1
    while left > 0:
        piece = file.read(left)
        if isinstance(piece, str):
            raise MediaError(f"{name} is open as text; open it as binary: open(path, 'rb').")
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise MediaError(f"{name} gave a {type(piece).__name__} and not bytes. Pass its bytes.")
        if not piece:
            return b"".join(pieces)
        pieces.append(bytes(piece))
        left -= len(piece)
    raise MediaError(f"{name} has more than {_MAX_BYTES:,} bytes, the most that is read.")


def is_url(src: object) -> bool:
    """Whether a source is a web address, allowed or not."""
    return isinstance(src, str) and src[:8].lower().startswith(("https://", "http://"))


def check_url(url: str) -> str:
    """Return a URL if a provider may be asked to fetch it: https, at a public host, without a password.

    Raises:
        MediaError: it may not. A provider's server would fetch a private address from inside its own network.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = _host(parts.hostname or ""), parts.port
    except ValueError as error:  # UnicodeError, for a host name that cannot exist, is one too
        raise MediaError(f"{short(url)} is not a URL: {error}.") from error
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
    """Write a host as a resolver reads it: lower case, with dots and digits of other scripts as ASCII."""
    return name.rstrip(".") if name.isascii() else name.encode("idna").decode().rstrip(".")


def _is_private(host: str) -> bool:
    try:
        return not _is_global(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    if len(host) > _HOST_LETTERS or _HOST.fullmatch(host) is None:
        return True
    return _ODD_ADDRESS.fullmatch(host) is not None or f".{host}".endswith(_LOCAL_SUFFIXES)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is public, and not another spelling of a private one."""
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    number = int(address)
    if number >> 80 == _OWN_NAT64:
        return False
    within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if number >> 32 in (0, _NAT64, _TRANSLATED):
        within.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    inner = [one for one in within if one is not None]
    if inner and not all(_is_global(one) for one in inner):
        return False
    return (address.is_global or bool(inner)) and not address.is_multicast
