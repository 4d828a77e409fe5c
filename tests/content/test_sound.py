"""Tests the lengths of sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.content.sound import seconds

from .sounds import mp3, tone


@pytest.mark.parametrize("length", [0.25, 3.0])
def test_a_wav_file_says_its_length(length: float) -> None:
    assert seconds(tone(length)) == pytest.approx(length)
    assert seconds(tone(length, samples_per_second=44_100)) == pytest.approx(length, abs=0.001)


def test_a_wav_file_that_was_streamed_is_as_long_as_what_came() -> None:
    data = tone(1.0)
    endless = data[:40] + b"\xff\xff\xff\xff" + data[44:]
    assert seconds(endless) == pytest.approx(1.0)


def test_the_frames_of_an_mp3_file_are_added_up() -> None:
    assert seconds(mp3(100)) == pytest.approx(100 * 1152 / 44_100)
    assert seconds(mp3(10, tag=300)) == pytest.approx(10 * 1152 / 44_100)
    assert seconds(mp3(10) + mp3(10, kilobits=320)) == pytest.approx(20 * 1152 / 44_100)


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"ID3", b"RIFF\0\0\0\0WAVE", b"ID3\x04\0\0\0\0\0\0", b"%PDF-1.4", b"OggS"]
)
def test_a_file_that_does_not_tell_its_length_has_none(data: bytes) -> None:
    assert seconds(data) is None


@given(st.sampled_from([tone(0.01), mp3(3), mp3(2, tag=200)]), st.data())
def test_a_damaged_file_raises_nothing(whole: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:position] + data.draw(st.binary(max_size=20)) + whole[position + data.draw(st.integers(0, 9)) :]
    length = seconds(damaged)
    assert length is None or length >= 0
