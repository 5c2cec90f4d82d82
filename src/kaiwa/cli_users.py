"""`kaiwa user` and `kaiwa token`: accounts, as whoever runs the server makes and changes them."""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from kaiwa.domain.ids import UserId
from kaiwa.domain.talk import UserName
from kaiwa.errors import BadRequest, NotFound
from kaiwa.ports.accounts import Accounts
from kaiwa.settings import read_settings

user_cli = typer.Typer(help="Accounts of this server.")

Data = Annotated[
    Path | None, typer.Option(help="The data folder.", show_default="the user's data folder")
]


@user_cli.command("list")
def list_users(data: Data = None) -> None:
    """Everybody with an account, one name a line."""
    from kaiwa.adapters.postgres.accounts import PostgresAccounts
    from kaiwa.database import database_of

    async def names() -> list[str]:
        async with database_of(read_settings(data=data), alone=False) as database:
            return [user.name for user in await PostgresAccounts(database).users()]

    for name in asyncio.run(names()):
        print(name)


@user_cli.command("add")
def add_user(name: str, data: Data = None) -> None:
    """Make an account; the password is asked for, or read from standard input."""
    from kaiwa.adapters.postgres.accounts import PostgresAccounts
    from kaiwa.database import database_of
    from kaiwa.web.passwords import hash_password

    password_hash = hash_password(_ask_password(), name)

    async def add() -> None:
        async with database_of(read_settings(data=data), alone=False) as database:
            await PostgresAccounts(database).register(_storable_name(name), password_hash)

    asyncio.run(add())


@user_cli.command("password")
def set_password(name: str, data: Data = None) -> None:
    """Set a password; it is asked for, or read from standard input."""
    from kaiwa.adapters.postgres.accounts import PostgresAccounts
    from kaiwa.database import database_of
    from kaiwa.web.passwords import hash_password

    password_hash = hash_password(_ask_password(), name)

    async def change() -> None:
        async with database_of(read_settings(data=data), alone=False) as database:
            accounts = PostgresAccounts(database)
            await accounts.set_password(await _called(accounts, name), password_hash)

    asyncio.run(change())


@user_cli.command("sign-out")
def sign_out(name: str, data: Data = None) -> None:
    """End all sessions and tokens of an account."""
    from kaiwa.adapters.postgres.accounts import PostgresAccounts
    from kaiwa.database import database_of

    async def end() -> None:
        async with database_of(read_settings(data=data), alone=False) as database:
            accounts = PostgresAccounts(database)
            await accounts.end_sessions(await _called(accounts, name))

    asyncio.run(end())


def token(
    user: Annotated[str, typer.Option(help="Whose token.")],
    data: Data = None,
    create: Annotated[bool, typer.Option("--create", help="Make the account if needed.")] = False,
) -> None:
    """Print a bearer token (a JWT) and nothing else, for scripts.

    It is good for 30 days, or until that user's password is changed.
    """
    from kaiwa.adapters.postgres.accounts import PostgresAccounts
    from kaiwa.database import database_of
    from kaiwa.web.security import SESSION_LIFETIME_S, Tokens

    async def issue() -> str:
        async with database_of(read_settings(data=data), alone=False) as database:
            accounts = PostgresAccounts(database)
            found = await accounts.credentials(user)
            if found is None and not create:
                raise NotFound(f"nobody here is called {user}; add --create to make the account")
            who = (
                found.user
                if found is not None
                else await accounts.register(_storable_name(user), None)
            )
            session = await accounts.begin_session(who.id, SESSION_LIFETIME_S, "kaiwa token")
            return Tokens(await accounts.signing_key()).access(who, session, SESSION_LIFETIME_S)

    print(asyncio.run(issue()))


def _storable_name(given: str) -> str:
    """The name as it is stored. Raises BadRequest for one that nobody may have."""
    try:
        return TypeAdapter(UserName).validate_python(given)
    except ValidationError as error:
        raise BadRequest("a name has 1 to 60 printable characters") from error


async def _called(accounts: Accounts, name: str) -> UserId:
    found = await accounts.credentials(name)
    if found is None:
        raise NotFound(f"nobody here is called {name}")
    return found.user.id


def _ask_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
