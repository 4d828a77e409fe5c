"""Files for the message builder: chosen, pasted or dropped, in pieces, from camera and microphone; refused files."""

from __future__ import annotations

import base64
import io
import random
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.conversation.message_builder import MessageBuilder
from tests.content.pictures import to_bytes, two_halves
from tests.content.sounds import mp3, pdf, tone

from .bridge import Bridge
from .chromium import ARGUMENTS
from .hands import hand
from .play_page import add_from
from .widget_page import until

pytestmark = pytest.mark.browser

SECURE = "https://widget.test/"


@pytest.fixture
def bridge(page: Page) -> Iterator[Bridge]:
    """A builder with one turn; its page must not raise."""
    bridge = Bridge(page, MessageBuilder([{"role": "user", "content": "a"}]))
    yield bridge
    assert bridge.page.errors() == []
    bridge.widget.close()


def give(
    bridge: Bridge, way: str, name: str, data: bytes, type_: str = "image/png", to: str = ".mf-composer .mf-prompt"
) -> None:
    page = bridge.page.page
    if way == "upload":
        label = {"image": "image files", "audio": "audio files", "application": "PDF files"}[type_.partition("/")[0]]
        inputs = page.locator(".mf-composer").get_by_label(label, exact=True)
        inputs.set_input_files({"name": name, "mimeType": type_, "buffer": data}, timeout=60_000)
    else:
        hand(page, way, name, data, type_, to)


def received(bridge: Bridge) -> bytes:
    """Put the pieces together, as the kernel does."""
    sent = "model.sent.filter((one) => one.type === 'piece')"
    bridge.page.page.wait_for_function(f"() => {sent}.length === {sent}[0]?.count")
    pieces = sorted(bridge.page.sent("piece"), key=lambda piece: piece["index"])
    return b"".join(base64.b64decode(piece["buffers"][0]) for piece in pieces)


def parts(bridge: Bridge, position: int = -1) -> list[Any]:
    found: list[Any] = bridge.widget.messages[position]["content"]
    return found


# Every way in


@pytest.mark.parametrize("way", ["paste", "drop", "upload"])
@pytest.mark.parametrize(
    ("name", "data", "type_"),
    [
        ("two halves.png", to_bytes(two_halves()), "image/png"),
        ("tone.wav", tone(0.1), "audio/wav"),
        ("song.mp3", mp3(5), "audio/mpeg"),
        ("paper.pdf", pdf(), "application/pdf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_way_in_delivers_the_same_bytes(bridge: Bridge, way: str, name: str, data: bytes, type_: str) -> None:
    give(bridge, way, name, data, type_)
    assert received(bridge) == data
    assert bridge.page.sent("piece")[0]["name"] == name
    bridge.exchange()
    [part] = parts(bridge)
    assert base64.b64encode(data).decode() in str(part)


@pytest.mark.parametrize("way", ["paste", "drop"])
@pytest.mark.parametrize("to", [".mf-composer .mf-prompt", ".mf-scroll"])
def test_a_pasted_or_dropped_file_does_not_reach_the_notebook(bridge: Bridge, way: str, to: str) -> None:
    give(bridge, way, "a.png", to_bytes(two_halves()), to=to)
    assert bridge.page.page.evaluate("reached") == 0
    received(bridge)


@pytest.mark.parametrize(
    ("way", "name", "type_"),
    [("drop", "notes.txt", "text/plain"), ("paste", "rows.csv", "text/csv"), ("drop", "run.jsonl", "")],
)
def test_a_file_of_text_becomes_a_text_part(bridge: Bridge, way: str, name: str, type_: str) -> None:
    give(bridge, way, name, "a,ü\n<b>".encode(), type_)
    expect(bridge.page.page.locator(".mf-part-list textarea")).to_have_value("a,ü\n<b>")
    expect(bridge.page.page.get_by_role("alert")).to_have_count(0)
    bridge.page.page.get_by_role("button", name="Add", exact=True).click()
    bridge.exchange()
    assert bridge.widget.messages[-1]["content"] == [{"type": "text", "text": "a,ü\n<b>"}]


def test_bytes_that_are_called_a_text_are_refused_by_name(bridge: Bridge) -> None:
    give(bridge, "drop", "notes.txt", b"\xff\x00\xfe", "text/plain")
    until(lambda: bridge.page.sent("piece"))
    bridge.exchange()
    expect(bridge.page.page.get_by_role("alert")).to_contain_text("notes.txt is not an image that can be sent")


def test_a_pasted_text_is_pasted_as_text(bridge: Bridge) -> None:
    page = bridge.page.page
    prevented = page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", "some words");
          const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData });
          document.querySelector(".mf-composer .mf-prompt").dispatchEvent(event);
          return event.defaultPrevented;
        }"""
    )
    assert not prevented


def test_a_file_that_one_message_cannot_hold_travels_in_pieces_and_arrives_whole(
    bridge: Bridge, tmp_path: Path
) -> None:
    data = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(11_500_000)
    path = tmp_path / "noise.png"
    path.write_bytes(data)
    bridge.page.page.locator(".mf-composer").get_by_label("image files", exact=True).set_input_files(path)
    assert received(bridge) == data
    sizes = bridge.page.page.evaluate("model.sent.flatMap((one) => one.buffers.map((buffer) => buffer.length))")
    assert len(sizes) == 11
    assert max(sizes) < 1_500_000
    bridge.exchange()  # and then it is no image after all
    expect(bridge.page.page.get_by_role("alert")).to_contain_text(
        "noise.png begins like image/png but is damaged or cut off"
    )


def test_a_file_that_is_too_large_is_refused_in_the_page_with_both_sizes(bridge: Bridge) -> None:
    page = bridge.page.page
    page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(64000001)], "film.png", { type: "image/png" }));
          transfer.items.add(new File([new Uint8Array(64000002)], "other.png", { type: "image/png" }));
          const drop = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
          document.querySelector(".mf-composer").dispatchEvent(drop);
        }"""
    )
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("film.png has 64.0 MB; at most 64.0 MB. Make it smaller first.")
    expect(notice).to_contain_text("other.png")
    assert bridge.page.sent("piece") == []


def test_a_file_on_its_way_is_shown_and_its_card_takes_its_place(bridge: Bridge) -> None:
    page = bridge.page.page
    give(bridge, "upload", "two.png", to_bytes(two_halves((3000, 1500))))
    row = page.locator(".mf-part")
    expect(row).to_contain_text("sending")
    expect(row.locator("img")).to_have_count(1)
    bridge.until(lambda: bridge.widget.attachments)
    expect(row).to_have_count(1)
    expect(row).to_contain_text("3,000 × 1,500 px")
    expect(row).to_contain_text("→ 1,568 × 784 px")
    bridge.until(lambda: row.locator("img").count())
    assert row.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 192


def test_a_kernel_that_does_not_answer_is_named_and_the_file_can_be_taken_back(bridge: Bridge) -> None:
    page = bridge.page.page
    give(bridge, "upload", "two.png", to_bytes(two_halves()))
    expect(page.locator(".mf-part")).to_contain_text("waiting for the kernel")
    page.get_by_role("button", name="remove two.png").click()
    expect(page.locator(".mf-part")).to_have_count(0)
    bridge.exchange()
    assert bridge.widget.messages == [{"role": "user", "content": "a"}]


def test_a_refused_file_goes_and_the_reason_is_an_alert(bridge: Bridge) -> None:
    give(bridge, "drop", "drawing.svg", b"<svg/>", "image/svg+xml")
    received(bridge)
    bridge.exchange()
    expect(bridge.page.page.locator(".mf-part")).to_have_count(0)
    expect(bridge.page.page.get_by_role("alert")).to_contain_text("drawing.svg is SVG")
    give(bridge, "upload", "two.png", to_bytes(two_halves()))
    expect(bridge.page.page.get_by_role("alert")).to_have_count(0)


def test_sending_waits_for_the_files_only(bridge: Bridge) -> None:
    page = bridge.page.page
    page.evaluate("() => widgetExports.ready().then(() => { window.at = model.sent.length; })")
    until(lambda: page.evaluate("window.at") == 0)
    page.get_by_role("textbox", name="message").fill("What is this?")
    give(bridge, "upload", "two.png", to_bytes(two_halves()))
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    received(bridge)
    assert bridge.page.sent("add") == []
    bridge.exchange()
    assert len(bridge.page.sent("add")) == 1
    assert [part["type"] for part in parts(bridge)] == ["text", "image_url"]
    expect(page.get_by_role("textbox", name="message")).to_have_value("")


def test_parts_of_the_draft_stand_in_any_order(bridge: Bridge) -> None:
    page = bridge.page.page
    give(bridge, "upload", "one.png", to_bytes(two_halves()))
    received(bridge)
    bridge.exchange()
    add_from(page.locator(".msgflux-builder"), "Another text")
    page.keyboard.type("behind it")
    page.get_by_role("textbox", name="message").fill("first")
    page.get_by_role("button", name="move text up").click()
    bridge.exchange()
    assert [part.get("text", part["type"]) for part in parts(bridge)] == ["first", "behind it", "image_url"]
    page.get_by_role("button", name="remove image one.png").click()
    bridge.exchange()
    assert [part.get("text") for part in parts(bridge)] == ["first", "behind it"]


def test_a_file_for_a_turn_that_is_edited_goes_to_that_turn(bridge: Bridge) -> None:
    page = bridge.page.page
    page.locator(".mf-turn").focus()
    page.keyboard.press("Enter")
    give(bridge, "paste", "two.png", to_bytes(two_halves()), to=".mf-editor .mf-prompt")
    expect(page.get_by_role("button", name="save")).to_be_disabled()
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_disabled()  # the draft is still empty
    received(bridge)
    bridge.exchange()
    expect(page.locator(".mf-composer .mf-part")).to_have_count(0)
    page.get_by_role("button", name="move image two.png up").click()
    page.get_by_role("button", name="save").click()
    bridge.exchange()
    assert [part["type"] for part in parts(bridge, 0)] == ["image_url", "text"]
    expect(page.locator(".mf-turn .mf-name")).to_have_text("two.png")


def test_a_file_for_an_edit_that_was_left_is_dropped(bridge: Bridge) -> None:
    page = bridge.page.page
    page.locator(".mf-turn").focus()
    page.keyboard.press("Enter")
    give(bridge, "paste", "two.png", to_bytes(two_halves()), to=".mf-editor .mf-prompt")
    received(bridge)
    bridge.until(lambda: bridge.widget.tray.loose)
    expect(page.locator(".mf-editor .mf-part")).to_have_count(2)
    expect(page.locator(".mf-editor textarea")).to_be_focused()
    page.keyboard.press("Escape")
    bridge.exchange()
    assert bridge.widget.tray.loose == {}


def test_the_models_limits_are_an_alert(bridge: Bridge) -> None:
    profile = {"modalities": ["text"]}
    bridge.widget.model = mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1", profile=profile)
    give(bridge, "upload", "two.png", to_bytes(two_halves()))
    received(bridge)
    bridge.exchange()
    expect(bridge.page.page.get_by_role("alert")).to_contain_text("takes text only")


# Variables of the notebook


def test_a_variable_of_the_notebook_is_picked_by_name(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    page = bridge.page.page
    namespace = {"photo": two_halves(), "noise": np.zeros((16, 16)), "number": 7}
    monkeypatch.setattr("msgflux_nb.widgets.conversation.intake.notebook_namespace", lambda: namespace)
    add_from(page.locator(".msgflux-builder"), "Variable of the notebook")
    bridge.exchange()
    expect(page.locator(".mf-variables .mf-btn")).to_have_text(
        ["noisearray, 16 × 16 px, float64", "photoimage, 40 × 20 px, RGB"]
    )
    page.get_by_role("button", name="photo").click()
    bridge.exchange()
    expect(page.locator(".mf-part .mf-name")).to_have_text("photo")
    assert parts(bridge) == [mf.ChatBlock.image(two_halves())]
    expect(page.locator(".mf-panel")).to_be_hidden()


def test_a_notebook_without_pictures_says_so_and_escape_closes(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    page = bridge.page.page
    monkeypatch.setattr("msgflux_nb.widgets.conversation.intake.notebook_namespace", dict)
    add_from(page.locator(".msgflux-builder"), "Variable of the notebook")
    bridge.exchange()
    expect(page.locator(".mf-panel")).to_contain_text("no variable of this notebook holds an image")
    page.keyboard.press("Escape")
    expect(page.locator(".mf-panel")).to_be_hidden()
    expect(page.get_by_role("button", name="add a picture")).to_be_focused()


# Sound


def test_a_sound_is_played_once_somebody_asks_for_it(bridge: Bridge) -> None:
    page = bridge.page.page
    bridge.widget.attach(tone(0.2), name="a.wav")
    bridge.exchange()
    assert bridge.page.sent("sound") == []
    page.get_by_role("button", name="listen").click()
    bridge.exchange()
    player = page.locator("audio")
    until(lambda: player.evaluate("(node) => node.duration") == pytest.approx(0.2, abs=0.02))


def test_a_sound_of_another_kind_is_made_a_wav_file_in_the_page(bridge: Bridge) -> None:
    # Chromium plays a WAV file of 8 bits by any name; so it stands for Ogg, WebM and the rest.
    give(bridge, "upload", "voice.ogg", tone(0.5, samples_per_second=48_000), "audio/ogg")
    with wave.open(io.BytesIO(received(bridge))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert file.getnframes() == pytest.approx(8_000, abs=20)
        samples = np.frombuffer(file.readframes(8_000), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16_000 / len(samples) == pytest.approx(440, abs=3)
    assert samples.max() == pytest.approx(8_000, rel=0.05)


def test_a_sound_that_no_browser_plays_is_refused_by_the_kernel(bridge: Bridge) -> None:
    give(bridge, "upload", "voice.ogg", b"OggS and nothing else", "audio/ogg")
    received(bridge)
    bridge.exchange()
    expect(bridge.page.page.get_by_role("alert")).to_contain_text("voice.ogg is audio/ogg; sound is sent as WAV or MP3")


# Devices


@pytest.fixture(scope="module")
def devices(browser: Browser) -> Iterator[Browser]:
    """A browser with a fake camera and a fake microphone."""
    fakes = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    launched = browser.browser_type.launch(executable_path=_path(), args=[*ARGUMENTS, *fakes])
    yield launched
    launched.close()


def _path() -> str:
    from .chromium import find_chromium

    return find_chromium()


def secure(browser: Browser, **options: Any) -> Bridge:
    context = browser.new_context(**options)
    context.set_default_timeout(8_000)
    page = context.new_page()
    page.route(SECURE, lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    return Bridge(page, MessageBuilder(), url=SECURE)


def test_without_https_camera_and_microphone_say_why_they_are_not_there(bridge: Bridge) -> None:
    bridge.page.page.locator(".mf-composer").get_by_role("button", name="add a picture").click()
    for name in ("Camera", "Microphone"):
        button = bridge.page.page.get_by_role("menuitem", name=name)
        expect(button).to_be_disabled()
        assert "https" in (button.get_attribute("title") or "")


def test_a_picture_is_taken_and_the_camera_is_let_go(devices: Browser) -> None:
    bridge = secure(devices)
    page = bridge.page.page
    add_from(page.locator(".msgflux-builder"), "Camera")
    page.get_by_role("button", name="Take the picture").click()
    data = received(bridge)
    assert data.startswith(b"\xff\xd8\xff")
    bridge.exchange()
    [part] = parts(bridge)
    assert part["image_url"]["url"].startswith("data:image/jpeg")
    expect(page.locator(".mf-part .mf-name")).to_have_text("camera.jpg")
    expect(page.locator("video")).to_have_count(0)
    assert bridge.page.errors() == []
    page.context.close()


def test_a_recording_is_a_wav_file_of_its_length(devices: Browser) -> None:
    bridge = secure(devices)
    page = bridge.page.page
    add_from(page.locator(".msgflux-builder"), "Microphone")
    timer = page.get_by_role("timer")
    until(lambda: float(timer.inner_text().strip("● s")) >= 0.8)
    page.get_by_role("button", name="stop").click()
    with wave.open(io.BytesIO(received(bridge))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert 0.4 < file.getnframes() / 16_000 < 3
    bridge.exchange()
    [part] = parts(bridge)
    assert (part["type"], part["input_audio"]["format"]) == ("input_audio", "wav")
    assert bridge.page.errors() == []
    page.context.close()


# Keeps the tracks of all streams that the page was given.
WATCHED = """() => {
  window.tracks = [];
  const { mediaDevices } = navigator;
  const get = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wish) => {
    const stream = await get(wish);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}"""
STATES = "tracks.map(({ readyState }) => readyState)"


def test_a_closed_panel_and_a_view_that_leaves_end_their_devices(devices: Browser) -> None:
    bridge = secure(devices)
    page = bridge.page.page
    page.evaluate(WATCHED)
    add_from(page.locator(".msgflux-builder"), "Camera")
    expect(page.locator("video")).to_have_count(1)
    page.keyboard.press("Escape")
    assert page.evaluate(STATES) == ["ended"]
    add_from(page.locator(".msgflux-builder"), "Microphone")
    expect(page.get_by_role("timer")).to_be_visible()
    page.evaluate("leave[0]()")
    assert page.evaluate(STATES) == ["ended", "ended"]
    assert bridge.page.sent("piece") == []
    page.context.close()


def test_a_camera_that_is_asked_for_twice_before_it_is_there_is_let_go(devices: Browser) -> None:
    bridge = secure(devices)
    page = bridge.page.page
    page.evaluate(WATCHED)
    opener = page.locator(".mf-composer").get_by_role("button", name="add a picture")
    opener.click()
    page.get_by_role("menuitem", name="Camera").dispatch_event("click")
    opener.click()
    page.get_by_role("menuitem", name="Camera").dispatch_event("click")
    until(lambda: sorted(page.evaluate(STATES)) == ["ended", "live"], what="one camera of two")
    expect(page.locator("video")).to_have_count(1)
    page.keyboard.press("Escape")
    assert page.evaluate(STATES) == ["ended", "ended"]
    assert bridge.page.errors() == []
    page.context.close()


def test_a_device_that_is_not_allowed_says_what_to_do(browser: Browser) -> None:
    bridge = secure(browser)
    page = bridge.page.page
    page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
        }"""
    )
    add_from(page.locator(".msgflux-builder"), "Camera")
    expect(page.get_by_role("alert")).to_contain_text("the browser did not allow the camera: allow it for this page")
    assert bridge.page.errors() == []
    page.context.close()
