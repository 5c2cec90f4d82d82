"""The Hugging Face Hub as a source.

`huggingface_hub` says where a file is (`HF_ENDPOINT`) and whether the hub may be asked
(`HF_HUB_OFFLINE`); the bytes are taken here. Its own `hf_hub_download` tries six times over 23 s
before it gives up on a name that does not resolve, and since 2.x starts a broken file from the
beginning (both seen in 2.4.0); a machine without the hub has to get to its wheels in seconds.
No token is sent: every model in the catalogue is public.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from kaiwa.models.source import (
    Advance,
    ModelFile,
    SourceFailed,
    read_chunks,
    size_of,
)

FIRST_CONTACT_S = 6.0  # name, connection, TLS and a HEAD; name resolution alone may hang for 30 s
CONNECT_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 30.0  # silence in the middle of a file; the rest is then asked for again


@dataclass(frozen=True)
class HuggingFaceSource:
    """Files of one repository at one commit.

    `paths` gives a file's path in the repository where it is not simply its name. `endpoint`
    and `transport` are for tests.
    """

    repo: str
    revision: str
    paths: Mapping[str, str] = field(default_factory=dict)
    endpoint: str | None = None
    transport: httpx.BaseTransport | None = None

    @property
    def kind(self) -> str:
        return "hub"

    @property
    def label(self) -> str:
        return f"the Hugging Face Hub ({self.repo})"

    def bytes_to_fetch(self, files: Sequence[ModelFile]) -> int:
        return sum(file.size for file in files)

    def bytes_here(self, files: Sequence[ModelFile], parts: Path) -> int:
        return sum(min(size_of(parts / file.name), file.size) for file in files)

    def fetch(self, files: Sequence[ModelFile], parts: Path, advance: Advance) -> None:
        # Here and not above: it takes 0.3 s to import, and a full cache needs none of it.
        from huggingface_hub import hf_hub_url, is_offline_mode

        if is_offline_mode():
            raise SourceFailed("HF_HUB_OFFLINE is set")
        urls = {
            file.name: hf_hub_url(
                self.repo,
                self.paths.get(file.name, file.name),
                revision=self.revision,
                endpoint=self.endpoint,
            )
            for file in files
        }
        with _client(self.transport) as client:
            _first_contact(client, urls[files[0].name])
            for file in files:
                _download(client, urls[file.name], file, parts / file.name, advance)

    def chunks(self, file: ModelFile, parts: Path) -> Iterator[bytes]:
        return read_chunks(parts / file.name)


def _client(transport: httpx.BaseTransport | None) -> httpx.Client:
    try:
        return httpx.Client(
            transport=transport,
            follow_redirects=True,
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"Accept-Encoding": "identity"},  # sizes and ranges count the file's own bytes
        )
    except (ImportError, ValueError) as error:  # a SOCKS proxy without its package, or no address
        raise SourceFailed(f"the proxy settings cannot be used ({error})") from error


def _first_contact(client: httpx.Client, url: str) -> None:
    """Fail fast where there is no hub, or no such file on it."""
    try:
        _within(FIRST_CONTACT_S, lambda: client.head(url).raise_for_status())
    except TimeoutError as error:
        raise SourceFailed(f"no answer within {FIRST_CONTACT_S:.0f} s") from error
    except httpx.InvalidURL as error:
        raise SourceFailed(f"HF_ENDPOINT is not an address ({error})") from error
    except httpx.HTTPError as error:
        raise SourceFailed(_reason(error)) from error


def _download(
    client: httpx.Client, url: str, file: ModelFile, part: Path, advance: Advance
) -> None:
    """Bring one file, asking again from where it broke for as long as each try brings bytes."""
    while (before := size_of(part)) < file.size:
        try:
            _append(client, url, part, file.size, advance)
        except httpx.TransportError as error:
            if size_of(part) <= before:
                raise SourceFailed(_reason(error)) from error
        except httpx.HTTPError as error:
            raise SourceFailed(_reason(error)) from error
        else:
            if size_of(part) < file.size:
                raise SourceFailed(f"{file.name} ended after {size_of(part)} of {file.size} bytes")


def _append(client: httpx.Client, url: str, part: Path, size: int, advance: Advance) -> None:
    have = size_of(part)
    with client.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        answer.raise_for_status()
        if have and answer.status_code != httpx.codes.PARTIAL_CONTENT:
            part.unlink()  # no ranges here: the whole file is coming
            advance(-have)
            have = 0
        with part.open("ab") as out:
            for chunk in answer.iter_bytes():  # as it comes: a break loses nothing
                out.write(chunk)
                advance(len(chunk))
                have += len(chunk)
                if have > size:  # not our file; its digest will say so
                    return


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code} for {error.request.url.path}"
    return f"no connection ({error}); HF_ENDPOINT can name a mirror"


def _within(seconds: float, call: Callable[[], object]) -> None:
    """Run a blocking call under one limit; `TimeoutError` when it is passed.

    Socket time-outs bound neither name resolution nor the walk over several addresses. The thread
    is a daemon's: one that hangs holds up nobody.
    """
    done = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="hub-first-contact", daemon=True).start()
    if not done.wait(seconds):
        raise TimeoutError
    if raised:
        raise raised[0]
