from __future__ import annotations

import io
import logging
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from kaiwa.logs import to_stderr
from kaiwa.pipeline import ingest, listen
from kaiwa.web import sound
from tests.integration.house import Guest, House, ServerKind, house


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Microphones here speak when the test comes to it: on no machine is their sound too late."""
    monkeypatch.setattr(listen, "LIVE_EDGE_MS", 3_600_000)
    for module in (ingest, sound):
        monkeypatch.setattr(module, "SILENT_UPLOAD_S", 3_600)


@pytest.fixture(params=["granian", "uvicorn"])
def server_kind(request: pytest.FixtureRequest) -> ServerKind:
    kind: ServerKind = request.param
    return kind


@pytest.fixture
async def home(database_url: str, server_kind: ServerKind) -> AsyncIterator[House]:
    async with house(database_url, server_kind) as home:
        yield home


@pytest.fixture
async def mari(home: House) -> AsyncIterator[Guest]:
    async with home.guest("まり") as guest:
        yield guest


@pytest.fixture
async def ken(home: House) -> AsyncIterator[Guest]:
    async with home.guest("Ken") as guest:
        yield guest


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to standard error, as `kaiwa serve` sets it up."""
    output = io.StringIO()
    handlers = logging.getLogger().handlers[:]
    monkeypatch.setattr(sys, "stderr", output)
    to_stderr()
    yield output
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
