"""llama.cpp on this machine, in a child process, spoken to as an OpenAI-compatible server.

In a child, because it takes gigabytes and can crash without taking the talks along. A child that
died is started again by the next call.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kaiwa.adapters.child_process import environment_of_children
from kaiwa.adapters.llm_embedded_child import ChildConfig
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.errors import ModelDown, ModelMissing
from kaiwa.ports.llm import ChatMessage, ChatModelInfo

CONTEXT_TOKENS = 4096  # prompt and reply of one talk: 115 MB for each slot (default model)
SLOTS = 2  # talks whose prompts stay cached; more of them share the cores and answer late
BATCH_TOKENS = 128  # a cancelled prompt is noticed between batches; larger ones are hardly faster
START_S = 120.0  # weights of 1 GB from a slow disk
STOP_S = 5.0
_CHILD = "kaiwa.adapters.llm_embedded_child"

SAMPLING = {"temperature": 0.6, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.1}
"""As Qwen's model card says, a little cooler; without the penalty it repeats lists for ever."""


@dataclass(slots=True)
class _Child:
    process: Process
    api_key: str
    stderr: IO[bytes]
    start_by: float
    """The loop's time at which it is too late to be ready."""
    client: OpenAIChatModel | None = None
    """None while it is loading."""


class EmbeddedChatModel:
    """`threads` 0 means the default for this machine (`default_threads`)."""

    kind = "embedded"
    prefills = True
    continues = True

    def __init__(
        self,
        model_path: Path,
        *,
        name: str = "",
        threads: int = 0,
        context: int = CONTEXT_TOKENS,
        slots: int = SLOTS,
    ) -> None:
        self._path = model_path
        self._name = name or model_path.stem
        self._threads = threads or default_threads()
        self._context = context
        self._slots = _Slots(slots)
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @asynccontextmanager
    async def stream(
        self, messages: Sequence[ChatMessage], *, model: str = "", talk: str = ""
    ) -> AsyncIterator[AsyncIterator[str]]:
        if model and model != self._name:
            raise ModelDown(f"The embedded chat model is {self._name}, not {model}")
        async with self._stream(messages, talk, SAMPLING) as pieces:
            yield pieces

    async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
        async with self._stream(messages, talk, {"max_tokens": 1}) as pieces:
            async for _ in pieces:
                pass

    @asynccontextmanager
    async def _stream(
        self, messages: Sequence[ChatMessage], talk: str, options: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[str]]:
        async with AsyncExitStack() as stack:
            client = await self._running()
            try:
                answer = self._answer(client, messages, talk, options)
                pieces = await stack.enter_async_context(answer)
            except ModelDown:
                if not await self._put_down_if_dead(client):
                    raise
                client = await self._running()  # it had died unseen, without a word of this reply
                answer = self._answer(client, messages, talk, options)
                pieces = await stack.enter_async_context(answer)
            try:
                yield pieces
            except ModelDown as error:
                if await self._put_down_if_dead(client):
                    raise ModelDown(
                        "The embedded chat model stopped; it starts again with the next reply"
                    ) from error
                raise

    @asynccontextmanager
    async def _answer(
        self,
        client: OpenAIChatModel,
        messages: Sequence[ChatMessage],
        talk: str,
        options: Mapping[str, Any],
    ) -> AsyncIterator[AsyncIterator[str]]:
        slot = self._slots.take(talk)
        extra = {"id_slot": slot, "cache_prompt": True, **options}
        try:
            async with client.stream(messages, model=self._name, extra=extra) as pieces:
                yield pieces
        finally:
            self._slots.give_back(slot)

    async def models(self) -> list[ChatModelInfo]:
        try:
            return [ChatModelInfo(self._name, self._path.stat().st_size)]
        except OSError as error:
            raise ModelDown(f"The chat model's weights cannot be read: {self._path}") from error

    async def ready(self) -> None:
        await (await self._running()).ready()

    async def close(self) -> None:
        self._closed = True
        async with self._starting:
            await self._stop()

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._child.process.pid if self._child else None

    async def _running(self) -> OpenAIChatModel:
        """The child's client; starts it where there is none. Callers at the same time wait for one
        start, which goes on when one of them is cancelled."""
        async with self._starting:
            if self._closed:
                raise ModelDown("The embedded chat model is shutting down")
            child = self._child
            if child is not None and child.process.returncode is not None:
                await self._stop()
                child = None
            if child is None:
                child = self._child = await self._spawn()
            if child.client is None:
                child.client = await self._wait_until_loaded(child)
            return child.client

    async def _spawn(self) -> _Child:
        if not self._path.is_file():
            raise ModelMissing(f"The chat model's weights are missing: {self._path}")
        key = secrets.token_urlsafe(32)
        config = ChildConfig(
            model=str(self._path),
            alias=self._name,
            threads=self._threads,
            prompt_threads=usable_cores(),
            slots=self._slots.count,
            context=self._context,
            batch=BATCH_TOKENS,
            api_key=key,
        )
        with ExitStack() as undo:
            stderr = undo.enter_context(tempfile.TemporaryFile())
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # never import from the directory kaiwa happens to be started in
                "-m",
                _CHILD,
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                env=environment_of_children(),
                start_new_session=True,  # Ctrl-C is for the server, which then ends its children
            )
            undo.pop_all()
        _stdin(process).write(config.to_line())
        return _Child(process, key, stderr, asyncio.get_running_loop().time() + START_S)

    async def _wait_until_loaded(self, child: _Child) -> OpenAIChatModel:
        try:
            async with asyncio.timeout_at(child.start_by):
                line = await _stdout(child.process).readline()
        except TimeoutError:
            line = b""
        if not line:
            reason = _last_line(child.stderr)
            await self._stop(patience_s=0)
            raise ModelDown(f"The embedded chat model did not start: {reason}")
        url = json.loads(line)["url"]
        return OpenAIChatModel(url, api_key=child.api_key, default_model=self._name, kind=self.kind)

    async def _put_down_if_dead(self, client: OpenAIChatModel) -> bool:
        """After a reply failed: whether its child is gone. One that hangs is killed."""
        child = self._child
        if child is None or child.client is not client:
            return True
        try:
            await client.ready()
        except ModelDown:
            async with self._starting:
                if self._child is child:
                    await self._stop(patience_s=0)
            return True
        return False

    async def _stop(self, patience_s: float = STOP_S) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        self._slots.forget()
        if child.client is not None:
            await child.client.close()
        _stdin(child.process).close()  # the child ends by itself at the end of its stdin
        try:
            async with asyncio.timeout(patience_s):
                await child.process.wait()
        except TimeoutError:
            pass
        finally:
            child.stderr.close()
            if child.process.returncode is None:
                child.process.kill()
        await child.process.wait()


class _Slots:
    """Which of llama.cpp's slots keeps which talk's prompt.

    A talk keeps its slot until it is the one used longest ago and another talk needs it. A talk
    whose slot is busy waits for it (llama.cpp queues): its prompt is cached nowhere else.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._talks = [""] * count
        self._busy = [0] * count
        self._used = [0] * count
        self._clock = 0

    def take(self, talk: str) -> int:
        """The slot for a reply; give it back afterwards."""
        if talk and talk in self._talks:
            slot = self._talks.index(talk)
        else:
            slot = min(range(self.count), key=lambda n: (self._busy[n], self._used[n]))
            self._talks[slot] = talk
        self._clock += 1
        self._used[slot] = self._clock
        self._busy[slot] += 1
        return slot

    def give_back(self, slot: int) -> None:
        self._busy[slot] -= 1

    def forget(self) -> None:
        """A new child has cached nothing."""
        self._talks = [""] * self.count
        self._used = [0] * self.count


def _stdin(process: Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise RuntimeError("the child was started without a pipe to its stdin")
    return process.stdin


def _stdout(process: Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("the child was started without a pipe from its stdout")
    return process.stdout


def usable_cores() -> int:
    """Of the machine, as far as this process may use them."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_threads() -> int:
    """One core is left to hearing and speaking; more than eight threads gain nothing."""
    return max(1, min(usable_cores() - 1, 8))


def _last_line(stderr: IO[bytes]) -> str:
    """The last thing the child said, for the error's sentence."""
    stderr.seek(0)
    said = stderr.read().decode(errors="replace").strip().splitlines()
    return said[-1].strip()[:200] if said else "it said nothing"
