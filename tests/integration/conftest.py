from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

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
