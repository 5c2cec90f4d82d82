"""Opening the database of the settings: all that `kaiwa token` and `kaiwa user` need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.embedded import embedded_postgres, shared_postgres
from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.settings import Settings


@asynccontextmanager
async def address_of(settings: Settings, *, alone: bool) -> AsyncIterator[str]:
    """The address of the settings' database, as it is; see `database_of`."""
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if not url:
            embedded = embedded_postgres if alone else shared_postgres
            url = (await stack.enter_async_context(embedded(settings.data))).url
        yield url


@asynccontextmanager
async def database_of(settings: Settings, *, alone: bool) -> AsyncIterator[Database]:
    """The migrated database of the settings.

    The embedded one is started here; `alone` says that no other process may be using it, which
    raises AlreadyRunning. Raises DatabaseDown, SetupError.
    """
    async with address_of(settings, alone=alone) as url:
        await migrate(url)
        async with Database.open(url) as database:
            yield database
