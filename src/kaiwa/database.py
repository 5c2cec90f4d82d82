"""Opening the database of the settings: all that `kaiwa token` and `kaiwa user` need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from kaiwa.adapters.nats import NatsBus
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
async def bus_of(settings: Settings) -> AsyncIterator[NatsBus | None]:
    """What wakes the readers of other processes; None: the database's NOTIFY."""
    if not settings.bus_url:
        yield None
        return
    async with NatsBus.run(settings.bus_url) as bus:
        yield bus


@asynccontextmanager
async def database_of(settings: Settings, *, alone: bool) -> AsyncIterator[Database]:
    """The migrated database of the settings, with their bus.

    The embedded one is started here; `alone` says that no other process may be using it, which
    raises AlreadyRunning. Raises DatabaseDown, SetupError.
    """
    async with address_of(settings, alone=alone) as url:
        await migrate(url)
        async with bus_of(settings) as bus, Database.open(url, bus) as database:
            yield database
