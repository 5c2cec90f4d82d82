"""A child process that talks in frames (see `child_frames`), and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kaiwa.adapters import child_frames

START_TIMEOUT_S = 60.0  # a cold disk may need many seconds for the libraries
STOP_TIMEOUT_S = 10.0  # after SIGKILL only the kernel can be slow
_PIPE_BYTES = 65_536  # bound of each direction in this process; the kernel's pipe adds as much
_PASSED_ON = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
)
"""The only variables a child inherits: it has no use for database addresses and keys."""


class ChildFailed(Exception):
    """The child did not start, ended by itself, or spoke nonsense."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: bytes
    payload: bytes


def environment_of_children() -> dict[str, str]:
    """What children may know of ours: no address of a database, no key."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


class ChildProcess:
    """Started by `start`, ended by `stop`; one task may send while another receives."""

    def __init__(self, process: Process, max_frame: int) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child process needs both pipes")
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._max_frame = max_frame
        self._input.transport.set_write_buffer_limits(high=_PIPE_BYTES)
        self.ready = b""

    @classmethod
    async def start(
        cls,
        module: str,
        *,
        max_frame: int,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> ChildProcess:
        """Run `python -m module` and wait for its READY frame, kept in `ready`.

        `max_frame` (bytes) bounds what it may say at once; it has our open `descriptors`, by the
        same numbers. Raises ChildFailed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # never import from the directory kaiwa happens to be started in
            "-m",
            module,
            stdin=PIPE,
            stdout=PIPE,
            limit=_PIPE_BYTES,
            env=environment_of_children() | dict(environment or {}),
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C is for the server, which then ends its children
        )
        child = cls(process, max_frame)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                frame = await child.receive()
            if frame.kind != child_frames.READY:
                raise ChildFailed(f"{module} did not say that it is ready")
        except TimeoutError:
            await child.stop()
            raise ChildFailed(f"{module} was not ready in {START_TIMEOUT_S:.0f} s") from None
        except BaseException:
            await child.stop()
            raise
        child.ready = frame.payload
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def send(self, data: bytes) -> None:
        """Waits while the child is behind. Raises ChildFailed when it is gone."""
        try:
            self._input.write(data)
            await self._input.drain()
        except (ConnectionError, RuntimeError) as gone:  # RuntimeError: the transport is closing
            raise ChildFailed("the child process is gone") from gone

    def send_soon(self, data: bytes) -> None:
        """Without waiting, for a few bytes now and then; dropped when the child is gone."""
        if self.alive and not self._input.is_closing():
            self._input.write(data)

    def end_input(self) -> None:
        self._input.close()

    async def receive(self) -> Frame:
        """The next frame. Raises ChildFailed when the child ended or broke the rules."""
        try:
            kind, length = child_frames.HEADER.unpack(
                await self._output.readexactly(child_frames.HEADER.size)
            )
            if length > self._max_frame:
                raise ChildFailed(f"the child process sent a frame of {length} bytes")
            return Frame(kind, await self._output.readexactly(length))
        except asyncio.IncompleteReadError as ended:
            raise ChildFailed("the child process ended") from ended

    def kill(self) -> None:
        """At once, without waiting; `stop` must still follow."""
        if self.alive:
            # not Process.kill: it polls, and so takes the exit status from asyncio's watcher
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Kill it, reap it and close its pipes, all of it even when cancelled. May be called
        again."""
        self.kill()
        self._input.close()
        reaping = asyncio.ensure_future(self._reap())
        try:
            await asyncio.shield(reaping)
        except asyncio.CancelledError:
            await reaping
            raise

    async def _reap(self) -> None:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while await self._output.read(_PIPE_BYTES):
                pass  # a paused pipe would never be seen to close
            await self._process.wait()
