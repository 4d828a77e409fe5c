"""Makes the sounds and PDFs of the tests."""

from __future__ import annotations

import io
import math
import struct
import wave


def tone(seconds: float = 0.5, *, samples_per_second: int = 16_000) -> bytes:
    """Return a WAV file, 16 bits, mono."""
    count = round(seconds * samples_per_second)
    samples = (round(8_000 * math.sin(2 * math.pi * 440 * n / samples_per_second)) for n in range(count))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(samples_per_second)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


def mp3(frames: int, *, kilobits: int = 128, tag: int = 0) -> bytes:
    """Return silent frames of MPEG 1, layer III, 44,100 samples a second, with an ID3 tag of so many bytes."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    length = 144 * kilobits * 1_000 // 44_100
    frame = bytes([0xFF, 0xFB, rates.index(kilobits) << 4, 0xC0]) + bytes(length - 4)
    head = b"ID3\x04\x00\x00" + bytes([0, 0, tag >> 7, tag & 0x7F]) + bytes(tag) if tag else b""
    return head + frame * frames


def pdf() -> bytes:
    """Return the smallest file that is recognised as a PDF."""
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
