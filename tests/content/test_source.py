from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from msgflux_nb.content.media import load_image
from msgflux_nb.content.source import check_url, read
from msgflux_nb.errors import MediaError

from .pictures import to_bytes, two_halves

PNG = to_bytes(two_halves())


class Figure:
    """A stand-in for a matplotlib figure, with the only method that is called."""

    def savefig(self, out: Any, **options: Any) -> None:
        assert options == {"format": "png", "bbox_inches": "tight"}
        out.write(PNG)


class Unseekable(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)


DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "src",
    [
        PNG,
        bytearray(PNG),
        memoryview(PNG),
        io.BytesIO(PNG),
        Unseekable(PNG),
        Figure(),
        DATA_URL,
        DATA_URL.replace("image/png", "image/jpeg"),
        "data:,".replace(",", "," + "".join(f"%{byte:02x}" for byte in PNG)),
        "DATA:image/png;BASE64," + "\n".join(base64.b64encode(PNG).decode()),
    ],
    ids=lambda src: type(src).__name__,
)
def test_each_source_gives_the_same_picture(src: Any) -> None:
    assert load_image(src).data == PNG


@pytest.mark.parametrize("as_text", [True, False])
def test_a_path_is_read_as_str_or_path(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "a name: with signs.jpg"
    path.write_bytes(PNG)
    assert load_image(str(path) if as_text else path).data == PNG


def test_a_tilde_means_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").write_bytes(PNG)
    assert load_image("~/a.png").data == PNG


def test_the_name_of_a_file_plays_no_part(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(MediaError, match=r"^page\.png is an HTML page"):
        load_image(path)


def test_an_open_file_is_left_where_it_was() -> None:
    file = io.BytesIO(b"head" + PNG)
    file.seek(4)
    assert load_image(file).data == load_image(file).data == PNG
    assert file.tell() == 4


def test_bytes_are_copied_so_that_the_source_may_change_later() -> None:
    mutable = bytearray(PNG)
    source = read(mutable)
    mutable[0] = 0
    assert source.data == PNG


@pytest.mark.parametrize(
    ("src", "message"),
    [
        ("no/such/photo.jpg", r"'no/such/photo\.jpg' does not exist; the current folder is "),
        (".", "is a folder"),
        ("", "is an empty text"),
        ("x" * 5_000, "cannot be read as a file"),
        ("a\x00b", "does not exist|cannot be read as a file"),
        ("file:///etc/passwd", "refused: only https and data URLs"),
        ("file:/etc/passwd", "refused: only https and data URLs"),
        ("FILE:///etc/passwd", "refused"),
        ("ftp://example.org/a.png", "refused"),
        ("s3://bucket/a.png", "refused"),
        ("https://example.org/a.png", "never fetched"),
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,@@@", "base64 does not decode"),
        (io.StringIO("text"), "open as text"),
        (42, "A int cannot be sent; expected a path, bytes"),
        (None, "A NoneType cannot be sent"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(src: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        load_image(src)


def test_a_closed_file_is_refused() -> None:
    file = io.BytesIO(PNG)
    file.close()
    with pytest.raises(MediaError, match="closed file"):
        load_image(file)


def test_a_device_is_never_read() -> None:
    with pytest.raises(MediaError, match="'/dev/zero' is a folder or a device"):
        load_image("/dev/zero")


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as out:
        out.truncate(100_000_001)
    with pytest.raises(MediaError, match=r"huge\.png has 100,000,001 bytes; at most 100,000,000"):
        load_image(path)


def test_an_endless_file_object_is_read_no_further_than_the_limit() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 100_000_001
            return bytes(size)

    with pytest.raises(MediaError, match="more than 100,000,000 bytes"):
        load_image(Endless())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "https://example.org:8443/a.png?x=1#y",
        "https://8.8.8.8/a.png",
        "https://[2606:4700:4700::1111]/a.png",
        "HTTPS://Example.ORG/a.png",
        "https://bücher.example/a.png",
    ],
)
def test_a_public_https_url_is_passed_on_as_it_stands(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.1",
        "10.0.0.8",
        "172.16.3.4",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "localhost.",
        "localhost.localdomain",
        "localdomain",
        "db.corp",
        "web.default.svc",
        "localtest.me",
        "10.0.0.1.nip.io",
        "7f000001.sslip.io",
        "127.0.0.1.traefik.me",
        "localho.st",
        "fritz.box",
        "vault.consul",
        "168.63.129.16",
        "[::ffff:168.63.129.16]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::8.8.8.8]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[::10.0.0.1]",
        "[::ffff:0:10.0.0.1]",
        "[64:ff9b::192.0.0.8]",
        "[fec0::1]",
        "[3fff::1]",
        "[5f00::1]",
        "192.0.0.8",
        "192.88.99.1",
        "localhost4.localdomain4",
        "localhost6.localdomain6",
        "1.0.0.127.in-addr.arpa",
        "[ff02::1]",
        "224.0.0.1",
        "LOCALHOST",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        "intranet",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "127%2e0%2e0%2e1",
        "",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_are_refused_however_they_are_spelled(scheme: str, host: str) -> None:
    with pytest.raises(MediaError, match=r"private address|is not a URL"):
        check_url(f"{scheme}://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]", "cdn-1-2-3-4.example.org"]
)
def test_public_addresses_are_passed_on(host: str) -> None:
    assert check_url(f"https://{host}/a.png") == f"https://{host}/a.png"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/a.png", "expected an https URL"),
        ("https://user:secret@example.org/a.png", "holds a user name or password"),
        ("https://example.org/a b.png", "holds a space"),
        ("https://example.org\\@127.0.0.1/", "private address"),
        ("https://exam\nple.org/", "holds a space, a backslash or a control character"),
        ("https://[::1/", "is not a URL"),
        ("https://example.org:99999999/x", "is not a URL"),
        ("https://" + "ä" * 80 + ".example/", "is not a URL"),
    ],
)
def test_other_urls_are_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        check_url(url)


def test_a_refused_url_does_not_repeat_its_password() -> None:
    with pytest.raises(MediaError) as caught:
        check_url("https://user:CANARY@example.org/a.png")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "  ", "\n"])
def test_an_empty_path_is_named_as_empty(path: str) -> None:
    with pytest.raises(MediaError, match="the path is an empty text"):
        read(path)
