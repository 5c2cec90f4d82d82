"""What the real decoder must never do: open what an upload names, believe what it claims."""

from __future__ import annotations

import asyncio
import io
import struct
from contextlib import suppress
from pathlib import Path

import av
import pytest

from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.audio import SAMPLE_RATE, Container
from kaiwa.errors import TooMuch
from tests.contract.uploads import (
    FRAGMENTED,
    assert_tone,
    decode,
    decode_file,
    encoded,
    failure_of,
    tone,
    wav,
)


async def test_a_classical_mp4_has_a_bound(decoder: PyAvDecoder) -> None:
    head = b"\0\0\0\x10ftypM4A \0\0\0\0" + struct.pack(">I4s", 0, b"mdat")
    _, failure = await failure_of(decoder, Container.MP4, head + bytes(65 * 1024 * 1024))
    assert isinstance(failure, TooMuch)


@pytest.mark.parametrize("container", [Container.WEBM, Container.OGG, Container.MP4, Container.WAV])
async def test_a_playlist_opens_nothing(
    decoder: PyAvDecoder, container: Container, tmp_path: Path
) -> None:
    visits: list[str] = []

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append("connection")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bait = tmp_path / "bait.wav"
    bait.write_bytes(wav(tone(1.0, SAMPLE_RATE)))
    playlists = [
        f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.wav\n#EXTINF:1,\nfile://{bait}\n",
        f"ffconcat version 1.0\nfile '{bait}'\nfile 'http://127.0.0.1:{port}/a.wav'\n",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
        f"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>",
    ]
    async with server:
        for playlist in playlists:
            got, _ = await failure_of(decoder, container, playlist.encode())
            assert len(got) == 0
    assert visits == []


def box(name: bytes, body: bytes) -> bytes:
    """One with version and flags (ISO/IEC 14496-12, 4.2)."""
    return struct.pack(">I4sI", len(body) + 12, name, 0) + body


def alias(file: bytes) -> bytes:
    """A data reference of QuickTime's: a Macintosh alias record, with the path in its type 2."""
    names = bytes(10) + b"\4disk" + bytes(35) + b"\4file" + bytes(59)
    levels = bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    path = struct.pack(">HH", 2, len(file)) + file
    return box(b"alis", names + levels + path + struct.pack(">Hh", 0xFFFF, 0))


def elsewhere(mp4: bytes, reference: bytes) -> bytes:
    """The file with its sound said to be in another one."""
    out, at = bytearray(mp4), mp4.rindex(b"moov")
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = out.index(name, at)
        (size,) = struct.unpack(">I", out[at - 4 : at])
        out[at - 4 : at] = struct.pack(">I", size + len(reference) - 12)
    out[at + 12 : at + 24] = reference  # the one entry, which says "in this file"
    return bytes(out)


@pytest.mark.parametrize("options", [{}, FRAGMENTED])
async def test_the_sound_of_an_mp4_is_not_looked_for_elsewhere(
    decoder: PyAvDecoder, options: dict[str, str], tmp_path: Path
) -> None:
    mp4 = encoded("mp4", "aac", 0.5, options)
    wanted: list[str] = []

    def io_open(url: str, *_: object) -> None:
        wanted.append(url)
        raise OSError

    careless = {"enable_drefs": "1", "use_absolute_path": "1"}
    elsewhere_mp4 = elsewhere(mp4, alias(b"/bait.wav!"))
    with suppress(OSError), av.open(io.BytesIO(elsewhere_mp4), options=careless, io_open=io_open):
        pass
    assert wanted == ["bait.wav!"]  # so the reference is one
    assert len(await decode(decoder, Container.MP4, [elsewhere_mp4])) == 0
    file = tmp_path / "elsewhere.mp4"
    file.write_bytes(elsewhere_mp4)
    with file.open("rb", buffering=0) as opened:
        sound, _ = await decode_file(decoder, Container.MP4, opened.fileno())
    assert len(sound) == 0
    url = elsewhere(
        mp4, box(b"url ", b"http://127.0.0.1:1/bait.wav\0")
    )  # which libav does not read
    assert_tone(await decode(decoder, Container.MP4, [url]), 0.5)


def forged(data: bytes, name: bytes, after: int, value: bytes) -> bytes:
    """Written over, so many bytes after the last of that name."""
    at = data.rindex(name) + len(name) + after
    return data[:at] + value + data[at + len(value) :]


async def test_a_forged_duration_changes_nothing(decoder: PyAvDecoder) -> None:
    mp4 = encoded("mp4", "aac", 0.5)
    for name, after in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        mp4 = forged(mp4, name, after, b"\x7f\xff\xff\xff")
    long_webm = forged(
        encoded("webm", "libopus", 0.5), b"\x44\x89\x88", 0, struct.pack(">d", 1e300)
    )
    for container, data in ((Container.MP4, mp4), (Container.WEBM, long_webm)):
        assert_tone(await decode(decoder, container, [data]), 0.5)


async def test_an_index_of_four_billion_entries_is_not_believed(decoder: PyAvDecoder) -> None:
    mp4, most = encoded("mp4", "aac", 0.5), b"\xff" * 4
    one = b"\0\0\0\1"
    mp4 = forged(mp4, b"stsz", 4, one + most)  # so many samples, of one byte each
    mp4 = forged(forged(mp4, b"stts", 8, most), b"stsc", 12, most)
    assert len(await decode(decoder, Container.MP4, [mp4])) == 0
