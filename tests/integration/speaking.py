"""People with open microphones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.hearing import Upload
from tests.integration.house import L16, EventReader, Guest


@asynccontextmanager
async def speaking(guest: Guest, talk: str) -> AsyncIterator[Upload]:
    """A microphone that is open for the length of the block."""
    upload = Upload()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            guest.http.post(
                f"/talks/{talk}/stream", content=upload.body(), headers={"content-type": L16}
            )
        )
        try:
            yield upload
        finally:
            upload.end()


def of(events: EventReader, kind: str) -> list[dict[str, Any]]:
    return [event for event in events.seen if event["type"] == kind]
