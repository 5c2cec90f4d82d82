"""The plain design, to compare with: one LISTEN connection of PostgreSQL per browser.

    python -m bench.fanout_plain URL

says its port when it listens. `GET /talks/ID/stream` sends on what is notified, and nothing else:
no backlog, no rows, no proof that the connection lives.
"""

from __future__ import annotations

import asyncio
import json
import sys

import asyncpg

from kaiwa.adapters.postgres.database import channel
from kaiwa.domain.ids import TalkId


async def serve(url: str) -> None:
    async def browser(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        talk = TalkId(request.split(b"/")[2].decode())
        connection = await asyncpg.connect(url)

        def on_notify(*given: object) -> None:
            payload = str(given[-1])
            writer.write(f"id: {json.loads(payload)['seq']}\ndata: {payload}\n\n".encode())

        await connection.add_listener(channel(talk), on_notify)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b"event: ready\n\n")
        await reader.read()
        connection.terminate()

    server = await asyncio.start_server(browser, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
