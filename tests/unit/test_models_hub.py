"""The hub as a source: quick to give up, able to go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import huggingface_hub.constants
import pytest

from kaiwa.models import hub
from kaiwa.models.hub import HuggingFaceSource
from kaiwa.models.source import ModelFile, SourceFailed

CONTENT = bytes(range(256)) * 4
FILE = ModelFile("model.bin", "0" * 64, len(CONTENT))


class Breaks(httpx.SyncByteStream):
    """Some bytes, then a broken connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("connection reset")


class Hub:
    """Serves `CONTENT`, with ranges; each GET may be cut short after `cuts[n]` bytes."""

    def __init__(self, cuts: list[int] | None = None, ranges: bool = True) -> None:
        self.cuts = cuts or []
        self.ranges = ranges
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200)
        asked = request.headers.get("Range")
        self.asked.append((request.url.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        status = 206 if start else 200
        if self.cuts:
            return httpx.Response(status, stream=Breaks(CONTENT[start:][: self.cuts.pop(0)]))
        return httpx.Response(status, content=CONTENT[start:])


def source_at(answer: Callable[[httpx.Request], httpx.Response]) -> HuggingFaceSource:
    return HuggingFaceSource(
        "them/tiny",
        "abc123",
        paths={"model.bin": "onnx/model.bin"},
        endpoint="http://hub.test",
        transport=httpx.MockTransport(answer),
    )


def fetch(source: HuggingFaceSource, parts: Path) -> int:
    """Fetch the one file; gives the sum of what progress was told."""
    told: list[int] = []
    source.fetch([FILE], parts, told.append)
    return sum(told)


def test_a_file_is_taken_from_its_place_at_the_pinned_commit(tmp_path: Path) -> None:
    server = Hub()
    source = source_at(server)

    assert fetch(source, tmp_path) == len(CONTENT)

    assert server.asked == [("/them/tiny/resolve/abc123/onnx/model.bin", None)]
    assert b"".join(source.chunks(FILE, tmp_path)) == CONTENT


def test_a_broken_connection_is_resumed_for_as_long_as_bytes_come(tmp_path: Path) -> None:
    server = Hub(cuts=[100, 200])

    assert fetch(source_at(server), tmp_path) == len(CONTENT)

    assert [asked for _, asked in server.asked] == [None, "bytes=100-", "bytes=300-"]
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_connection_that_brings_nothing_more_fails_and_keeps_what_came(tmp_path: Path) -> None:
    source = source_at(Hub(cuts=[100, 0]))

    with pytest.raises(SourceFailed, match="connection reset"):
        fetch(source, tmp_path)

    assert source.bytes_here([FILE], tmp_path) == 100


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\xff" * 100)

    assert fetch(source_at(Hub(ranges=False)), tmp_path) == len(CONTENT) - 100

    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_an_answer_that_ends_early_fails(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="ended after 5 of 1024 bytes"):
        fetch(source_at(lambda request: httpx.Response(200, content=b"short")), tmp_path)


def test_an_answer_without_end_is_left(tmp_path: Path) -> None:
    def endless(request: httpx.Request) -> httpx.Response:
        def zeros() -> Iterator[bytes]:
            while True:
                yield bytes(1000)

        return httpx.Response(200, content=zeros() if request.method == "GET" else None)

    fetch(source_at(endless), tmp_path)

    assert (tmp_path / "model.bin").stat().st_size == 2000


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"it answered 404 for /them/tiny/.*model\.bin"):
        fetch(source_at(lambda request: httpx.Response(404)), tmp_path)


def test_a_refused_connection_fails_at_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        raise httpx.ConnectError("refused")

    with pytest.raises(SourceFailed, match=r"refused.*HF_ENDPOINT"):
        fetch(source_at(refuse), tmp_path)

    assert asked == ["HEAD"]


def test_a_name_that_never_resolves_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "FIRST_CONTACT_S", 0.01)
    over = threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        over.wait(60)
        return httpx.Response(200)

    with pytest.raises(SourceFailed, match="no answer"):
        fetch(source_at(hang), tmp_path)
    over.set()


def test_hub_offline_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    server = Hub()

    with pytest.raises(SourceFailed, match="HF_HUB_OFFLINE is set"):
        fetch(source_at(server), tmp_path)

    assert server.asked == []


def test_proxy_settings_that_cannot_be_used_do_not_stop_the_next_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://proxy.test")

    with pytest.raises(SourceFailed, match="proxy settings"):
        fetch(HuggingFaceSource("them/tiny", "abc123"), tmp_path)
