"""`kaiwa doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.adapters.voice_process import VoiceProcess
from kaiwa.app import choose_chat_model, choose_recogniser, needed_models, other_voices, own_voices
from kaiwa.database import bus_of, database_of
from kaiwa.errors import KaiwaError
from kaiwa.http_server import MAX_CONNECTIONS, connection_limit
from kaiwa.models.store import ModelStore
from kaiwa.ports.tts import VoiceEngine
from kaiwa.settings import Settings

MEMORY_NEEDED = 3 * 2**30  # everything loaded and answering takes 2.2 GB; see docs/operations.md
DISK_NEEDED = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """`needed`: without it kaiwa does not do its job."""

    what: str
    ok: bool
    says: str
    remedy: str = ""
    needed: bool = True


async def examine(settings: Settings) -> list[Finding]:
    """Try every part for real, one after another; takes about half a minute."""
    findings = [_python(), _memory(), _disk(settings), _connections(), await _port(settings)]
    findings.append(await _part("database", lambda: _database(settings)))
    if settings.bus_url:
        findings.append(await _part("NATS", lambda: _bus(settings)))
    findings += await _weights(settings)
    findings.append(await _recogniser(settings))
    findings.append(await _chat(settings))
    findings += await _voices(settings)
    findings += await _decoder()
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    says = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    return Finding(
        "memory",
        memory.available >= MEMORY_NEEDED,
        f"{says}, {os.cpu_count()} cores",
        "the embedded engines want 3 GiB: close something, or use an engine on another machine "
        "(KAIWA_ASR_URL, KAIWA_LLM_URL)",
        needed=False,
    )


def _disk(settings: Settings) -> Finding:
    folder = next(p for p in (settings.data, *settings.data.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk",
        free >= DISK_NEEDED,
        f"{free / 2**30:.1f} GiB free at {settings.data}",
        "make room, or choose another --data folder",
        needed=False,
    )


def _connections() -> Finding:
    limit = connection_limit()
    return Finding(
        "connections",
        limit >= MAX_CONNECTIONS,
        f"{limit:,} browsers at once",
        f"for {MAX_CONNECTIONS:,}, raise the hard limit of open files (ulimit -Hn, LimitNOFILE)",
        needed=False,
    )


async def _port(settings: Settings) -> Finding:
    try:
        _, writer = await asyncio.open_connection(settings.host, settings.port)
    except OSError:
        return Finding("port", True, f"{settings.host}:{settings.port} is free")
    writer.close()
    return Finding(
        "port",
        False,
        f"something already listens on {settings.host}:{settings.port}",
        "if it is not kaiwa, choose another --port",
        needed=False,
    )


async def _part(what: str, trying: Callable[[], Awaitable[str]], *, needed: bool = True) -> Finding:
    try:
        return Finding(what, True, await trying(), needed=needed)
    except KaiwaError as error:
        return Finding(what, False, error.message, needed=needed)


async def _database(settings: Settings) -> str:
    async with database_of(settings, alone=False) as database:
        await database.answers()
    return "the server of DATABASE_URL" if settings.database_url else "embedded PostgreSQL"


async def _bus(settings: Settings) -> str:
    async with bus_of(settings) as bus:
        if bus is not None:
            await bus.answers()
    return "answers"


async def _weights(settings: Settings) -> list[Finding]:
    store = ModelStore(settings.models)
    return [
        Finding(
            f"weights of {model.name}",
            store.is_complete(model),
            "here" if store.is_complete(model) else "not here yet",
            f"run: kaiwa models pull {model.name}",
        )
        for model in await needed_models(settings)
    ]


async def _recogniser(settings: Settings) -> Finding:
    recogniser = choose_recogniser(settings)

    async def try_it() -> str:
        await recogniser.ready()
        address = settings.recogniser_address
        return "embedded" if address is None else f"answers at {address[0]}:{address[1]}"

    try:
        return await _part("recogniser", try_it)
    finally:
        await recogniser.close()


async def _chat(settings: Settings) -> Finding:
    chat = await choose_chat_model(settings)

    async def try_it() -> str:
        await chat.ready()
        names = ", ".join(model.name for model in await chat.models())
        return f"{chat.kind}: {names}"

    try:
        return await _part("chat model", try_it)
    finally:
        await chat.close()


async def _voices(settings: Settings) -> list[Finding]:
    process = VoiceProcess()
    engines = [*own_voices(process), *other_voices(settings)]

    def loading(engine: VoiceEngine) -> Callable[[], Awaitable[str]]:
        async def try_it() -> str:
            await engine.ready()
            return ", ".join(voice.id for voice in engine.voices)

        return try_it

    try:
        return [
            await _part(f"voice {engine.name}", loading(engine), needed=False) for engine in engines
        ]
    finally:
        for engine in engines:
            await engine.close()
        await process.close()


async def _decoder() -> list[Finding]:
    decoder = PyAvDecoder()
    try:
        held = await decoder.sandbox_report()
    except KaiwaError as error:
        return [Finding("sound decoder", False, error.message)]
    finally:
        await decoder.close()
    missing = [name.replace("_", " ") for name, holds in held.items() if not holds]
    return [
        Finding(
            "sound decoder",
            not missing,
            f"confined, except: {', '.join(missing)}" if missing else "confined",
            "this kernel or container does not allow more; uploads still run in a child process "
            "with what does hold",
            needed=False,
        )
    ]
