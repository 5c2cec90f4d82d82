"""An app process of `bench.fanout`: all of kaiwa but the engines, which have no part in it.

    python -m bench.fanout_app '{"database": URL, "user": ID, "bus": URL}'

says its port and a token in one line of JSON when it listens, and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.memory.llm import ScriptedChatModel
from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.app import Engines, assembled
from kaiwa.database import database_of
from kaiwa.domain.ids import UserId
from kaiwa.domain.talk import User
from kaiwa.http_server import http_server, keep_pauses_short, leave
from kaiwa.logs import to_stderr
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.settings import Settings
from kaiwa.web.application import create_application
from kaiwa.web.security import Site


async def run(database_url: str, user: str, bus: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    engines = Engines(
        recogniser=FakeRecogniser(),
        vad=EnergyVoiceActivity,
        decoder=PyAvDecoder(),
        chat=ScriptedChatModel(),
        voices=VoiceBook([ToneVoices()]),
        parts={},
    )
    settings = Settings(database_url=database_url, bus_url=bus)
    async with (
        database_of(settings, alone=False) as database,
        assembled(settings, Site(port, secure=False), database, engines) as services,
    ):
        keep_pauses_short()
        server = http_server(create_application(services), "127.0.0.1", port)
        owner = User(id=UserId(user), name="bench")
        token = (await services.sessions.begin(owner)).access
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve())
            await asyncio.sleep(1)
            print(json.dumps({"port": port, "token": token}), flush=True)
            await stopping.wait()
            services.closing.set()
            server.stop()


if __name__ == "__main__":
    to_stderr()
    given = json.loads(sys.argv[1])
    asyncio.run(run(given["database"], given["user"], given["bus"]))
    leave()
