"""An upload as a browser makes it: the body streams out while the answer may already come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any


async def post(
    host: str, port: int, path: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
) -> tuple[int, Any]:
    """Status and JSON of the answer. Raises OSError when the connection breaks before it."""
    reader, writer = await asyncio.open_connection(host, port)

    async def send() -> None:
        with suppress(OSError):  # the answer may be there all the same
            async for data in body:
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    lines = {"host": f"{host}:{port}", "transfer-encoding": "chunked", "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**lines, **headers}.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
    sending = asyncio.create_task(send())
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length:")[2].split("\r\n")[0]
        payload = (await reader.readexactly(int(length))).decode()
        return int(head.split()[1]), json.loads(payload) if payload[:1] == "{" else payload
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("no answer") from error
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        writer.transport.abort()
