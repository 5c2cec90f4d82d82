"""What was allowed when it began, and goes on: ended at once when it is allowed no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Role
from kaiwa.errors import DatabaseDown, Forbidden, NotFound
from kaiwa.pipeline.tasks import DATABASE_RETRY_S
from kaiwa.web.asking import open_talk
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn

_CHANGES: Final = ("member.joined", "member.left", "talk.deleted")


@asynccontextmanager
async def watched(
    services: Services, found: SignedIn, talk: TalkId, least: Role, lost: Callable[[], None]
) -> AsyncIterator[None]:
    """Call `lost` when the user is no longer a member with at least that role, or their session
    is over. It comes by the talk's channel, so it does not matter which process removed them."""
    changed = asyncio.Event()
    changed.set()  # it may have happened before the listening began

    def on_payload(payload: str) -> None:
        if not payload or any(change in payload for change in _CHANGES):
            changed.set()

    async def watch() -> None:
        while True:
            await changed.wait()
            changed.clear()
            try:
                await open_talk(services, found.user, talk, least)
            except DatabaseDown:
                await asyncio.sleep(DATABASE_RETRY_S)
                changed.set()
            except (NotFound, Forbidden):
                lost()
                return

    with services.sessions.watching(found.session, lost):
        await services.wakeups.listen(talk, on_payload)
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(watch())
                try:
                    yield
                finally:
                    watching.cancel()
        finally:
            await services.wakeups.unlisten(talk, on_payload)
