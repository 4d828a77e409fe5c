"""Tells how long a sound is and whether its file is complete, without decoding it."""

from __future__ import annotations

import re
import struct

from .container import behind_tags, sniff

__all__ = ["fault", "seconds"]

# Of MPEG 1, 2 and 2.5, layer III.
_KILOBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_SAMPLES_PER_SECOND = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


# Writers that do not know the length write 0, all ones, or nearly 2 GiB.
_OPEN_ENDED = 0x7FFF_0000
_SEARCHED = 65_536  # bytes after the tags that are searched for the first frame
_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")


def fault(data: bytes) -> str | None:
    """Say what is wrong with a WAV or MP3 file, as the end of a sentence; None if nothing is wrong."""
    if sniff(data) == "audio/mpeg":
        return None if _first_frame(data) is not None else "is damaged or cut off: it holds no frame of MP3 sound"
    position, described = 12, False
    while position + 8 <= len(data):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        there = len(data) - position - 8
        described = described or (name == b"fmt " and there >= 16)
        if name == b"data":
            if length > there and length < _OPEN_ENDED:
                return f"is cut off: it says {length:,} bytes of sound and holds {there:,}. Save it again"
            return None if described else "is damaged: it does not say how its sound is stored. Save it again"
        position += 8 + length + length % 2
    return "is damaged or cut off: it holds no sound. Save it again"


def seconds(data: bytes) -> float | None:
    """Return the length of a WAV or MP3 file in seconds, or None if the file does not tell."""
    kind = sniff(data)
    try:
        if kind == "audio/wav":
            return _wav_seconds(data)
        return _mp3_seconds(data) if kind == "audio/mpeg" else None
    except (IndexError, struct.error, ZeroDivisionError):
        return None


def _wav_seconds(data: bytes) -> float | None:
    position, bytes_per_second = 12, 0
    while position + 8 <= len(data):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"fmt ":
            bytes_per_second = struct.unpack_from("<I", data, position + 16)[0]
        elif name == b"data":
            # A stream that was written before its length was known says 0 or all ones.
            there = len(data) - position - 8
            return (length if 0 < length <= there else there) / bytes_per_second
        position += 8 + length + length % 2
    return None


def _mp3_seconds(data: bytes) -> float | None:
    """Add up the lengths of all frames, since the bit rate may change."""
    position, total = _first_frame(data), 0.0
    while position is not None and position + 4 <= len(data):
        frame = _frame(data, position)
        if frame is None:
            break
        length, duration = frame
        total += duration
        position += length
    return total or None


def _first_frame(data: bytes) -> int | None:
    """Return the position of the first MP3 frame, which another frame or the end has to follow."""
    start = behind_tags(data)
    for found in _SYNC.finditer(data, start, start + _SEARCHED):
        at = found.start()
        frame = _frame(data, at) if at + 4 <= len(data) else None
        if frame is not None and (at + frame[0] + 4 > len(data) or _frame(data, at + frame[0]) is not None):
            return at
    return None


def _frame(data: bytes, position: int) -> tuple[int, float] | None:
    """Return the bytes and seconds of one frame of MPEG layer III; None if there is none."""
    sync, version = data[position] << 4 | data[position + 1] >> 4, data[position + 1] >> 3 & 3
    rate, speed, padding = data[position + 2] >> 4, data[position + 2] >> 2 & 3, data[position + 2] >> 1 & 1
    if sync & 0xFFE != 0xFFE or data[position + 1] >> 1 & 3 != 1 or version == 1 or rate in (0, 15) or speed == 3:
        return None
    samples_per_second = _SAMPLES_PER_SECOND[version][speed]
    samples = 1_152 if version == 3 else 576
    kilobits = _KILOBITS[0 if version == 3 else 1][rate]
    return samples // 8 * kilobits * 1_000 // samples_per_second + padding, samples / samples_per_second
