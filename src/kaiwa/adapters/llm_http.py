"""What the chat models behind HTTP share: the connection, the waits, the end of a reply.

A reply is a response body of lines, one JSON value each. An adapter says what a line means
(`Delta`); this module waits for the lines, drops what the model only thinks, and turns every way a
server can fail into `ModelDown`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from kaiwa.adapters.loopback import is_loopback
from kaiwa.errors import ModelDown

CONNECT_S = 5.0  # a model server is in the house: if it is there, it accepts at once
FIRST_TOKEN_S = 180.0  # 8B weights from a slow disk, or a cold prompt of 2,000 tokens on one core
STALL_S = 30.0  # between tokens; the slowest machine that can be talked to makes one a second
ANSWER_S = 10.0  # requests that make no text: lists, versions

MAX_REPLY_CHARS = 20_000  # over half an hour of speech: a server that never stops is cut off here
MAX_LINE_BYTES = 1_000_000  # one token's JSON is under 1 kB
MAX_ERROR_CHARS = 200  # of the server's own words, in ours


@dataclass(frozen=True, slots=True)
class Delta:
    """What one line of a reply says."""

    text: str = ""
    thought: str = ""
    """What the model thinks: a sign of life, never shown."""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a reply may keep its reader waiting, in seconds."""

    first_token_s: float = FIRST_TOKEN_S
    stall_s: float = STALL_S


def new_client(base_url: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client that never reuses a connection and never sends loopback traffic to a proxy.

    Fresh connections: llama.cpp closes idle ones just as the next request is written, and httpx
    does not send a POST twice. The waits are ours (`Waits`), because httpx counts bytes, and a
    server's keep-alive comments are bytes.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=not is_loopback(base_url),
    )


@asynccontextmanager
async def open_response(
    client: httpx.AsyncClient, request: httpx.Request, *, wait_s: float
) -> AsyncIterator[httpx.Response]:
    """Send, and give the response once its head is there; leaving closes the connection.

    Raises ModelDown where nobody answers within `wait_s`; a refusal is given as it came.
    """
    try:
        async with asyncio.timeout(wait_s):
            response = await client.send(request, stream=True)
    except TimeoutError:
        raise ModelDown(f"{where(client)} did not answer within {wait_s:g} s") from None
    except httpx.TransportError as error:
        raise ModelDown(f"No chat model answers at {address(client)} ({_reason(error)})") from error
    try:
        yield response
    finally:
        await response.aclose()


async def get_json(client: httpx.AsyncClient, path: str) -> Any:
    """The JSON at `path`. Raises ModelDown."""
    async with open_response(client, client.build_request("GET", path), wait_s=ANSWER_S) as got:
        body = await read_body(client, got)
        if got.status_code != httpx.codes.OK:
            raise refusal(client, got.status_code, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise ModelDown(f"{where(client)} does not speak JSON at {path}") from error


async def read_body(client: httpx.AsyncClient, response: httpx.Response) -> bytes:
    """A small body, whole. Raises ModelDown."""
    body = b""
    try:
        async with asyncio.timeout(ANSWER_S), aclosing(_chunks(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_LINE_BYTES:
                    raise ModelDown(f"{where(client)} sent an answer that is too long")
    except TimeoutError:
        raise ModelDown(f"{where(client)} stopped in the middle of an answer") from None
    except httpx.TransportError as error:
        raise _broken_off(client) from error
    return body


def refusal(client: httpx.AsyncClient, status: int, body: bytes) -> ModelDown:
    """One sentence for an answer that is not 200."""
    says = error_text(body)
    tail = f": {says}" if says else ""
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return ModelDown(f"{where(client)} does not accept our API key ({status}{tail})")
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return ModelDown(f"{where(client)} is busy ({status}{tail}); try again in a moment")
    return ModelDown(f"{where(client)} answered {status}{tail}")


def failure(client: httpx.AsyncClient, event: bytes) -> ModelDown:
    """One sentence for an error that came in the middle of a stream."""
    return ModelDown(f"{where(client)} failed: {error_text(event) or 'it gave no reason'}")


def error_text(body: bytes) -> str:
    """What the server itself says is wrong, on one short line; empty if it says nothing."""
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return " ".join(error.split())[:MAX_ERROR_CHARS] if isinstance(error, str) else ""


async def pieces(
    client: httpx.AsyncClient,
    response: httpx.Response,
    parse: Callable[[bytes], Delta],
    *,
    waits: Waits,
    first_by: float,
) -> AsyncGenerator[str, None]:
    """The text of a reply, in the pieces it came in, without thoughts and leading blanks.

    `parse` may raise ModelDown. `first_by` is the loop's time at which the first token is late.
    Time the reader takes between pieces counts for nothing.
    """
    loop = asyncio.get_running_loop()
    visible = ThoughtFilter()
    alive_until, length = first_by, 0
    async with aclosing(lines(client, response)) as feed:
        while True:
            try:
                async with asyncio.timeout_at(alive_until):
                    line = await anext(feed, None)
            except TimeoutError:
                raise ModelDown(f"{where(client)} stopped answering") from None
            if line is None:
                raise _broken_off(client)
            delta = parse(line)
            text = visible.feed(delta.text) + (visible.flush() if delta.done else "")
            if text:
                yield text
            if delta.done:
                return
            if delta.text or delta.thought:
                alive_until = loop.time() + waits.stall_s
            length += len(delta.text) + len(delta.thought)
            if length > MAX_REPLY_CHARS:
                raise ModelDown(f"{where(client)} did not stop after {MAX_REPLY_CHARS} characters")


async def lines(client: httpx.AsyncClient, response: httpx.Response) -> AsyncGenerator[bytes, None]:
    r"""The body's lines, ended by "\n" alone, without blank ones. Raises ModelDown.

    Not `response.aiter_lines()`: it also splits at U+2028 and U+0085, which JSON allows in text.
    """
    rest = b""
    try:
        async with aclosing(_chunks(response)) as chunks:
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield line.strip()
                if len(rest) > MAX_LINE_BYTES:
                    raise ModelDown(f"{where(client)} sent a line that does not end")
    except httpx.TransportError as error:
        raise _broken_off(client) from error
    if rest.strip():
        yield rest.strip()


class ThoughtFilter:
    """Drops `<think>…</think>` from a text that comes in pieces.

    Holds back the start of a tag until it is known to be none. A thought that never ends hides the
    rest. Blanks before the first visible character are dropped too: models put an empty line
    between a thought and their answer.
    """

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self._begun = False

    def feed(self, text: str) -> str:
        """What of the text so far can be shown now."""
        self._held += text
        shown = ""
        while True:
            tag = self._CLOSE if self._thinking else self._OPEN
            before, found, after = self._held.partition(tag)
            if not found:
                break
            shown += "" if self._thinking else before
            self._held, self._thinking = after, not self._thinking
        keep = _tag_start(self._held, tag)
        if not self._thinking:
            shown += self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return self._begin(shown)

    def flush(self) -> str:
        """What was held back, now that no more comes."""
        rest, self._held = self._held, ""
        return "" if self._thinking else self._begin(rest)

    def _begin(self, shown: str) -> str:
        if not self._begun:
            shown = shown.lstrip()
            self._begun = bool(shown)
        return shown


def where(client: httpx.AsyncClient) -> str:
    """The server, as a sentence about it begins."""
    return f"The chat model at {address(client)}"


def address(client: httpx.AsyncClient) -> str:
    """The server's URL, without a name and a password."""
    return str(client.base_url.copy_with(userinfo=b"")).rstrip("/")


def _tag_start(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the start of the tag."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_bytes():
        yield chunk


def _broken_off(client: httpx.AsyncClient) -> ModelDown:
    return ModelDown(f"{where(client)} broke off before the end")


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
