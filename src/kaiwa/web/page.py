"""The page's files: read once, compressed once, under a URL that changes with their content: a
browser keeps them for good and never mixes two versions."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

STATIC: Final = Path(__file__).with_name("static")
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
_SQUEEZABLE: Final = frozenset({".js", ".json", ".css", ".svg", ".html", ".webmanifest"})
_FIRST: Final = "js/main.js"
_IMPORTS: Final = re.compile(r"^(?:import|export) (?:[^'\";]*? from )?'(\.[^']+)'", re.MULTILINE)
_STYLESHEETS: Final = re.compile(r'(?:\s*<link rel="stylesheet" href="/static/[^"]+">)+')
_STYLES: Final = "css/page.css"
"""All stylesheets, in the document's order: one request before the first paint."""
_COMMENTS: Final = re.compile(
    rb"^[ ]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ ]*$", re.MULTILINE | re.DOTALL
)
"""Comments that fill whole lines."""
_INDENTATION: Final = re.compile(rb"^[ ]+", re.MULTILINE)
_WORKLETS: Final = ("js/audio/pcm-worklet.js",)
"""Modules that load outside the document; preloaded as files, so that they are there when the
server is not."""


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    plain: bytes
    squeezed: bytes | None

    @classmethod
    def of(cls, name: str, plain: bytes) -> _File:
        suffix = Path(name).suffix
        media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0]
        squeezed = gzip.compress(plain, mtime=0) if suffix in _SQUEEZABLE else None
        return cls(media_type or "application/octet-stream", plain, squeezed)

    def answer(self, request: Request, cache_control: str) -> Response:
        headers = {"cache-control": cache_control, "vary": "accept-encoding"}
        body = self.plain
        if self.squeezed and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = self.squeezed
        return Response(body, media_type=self.media_type, headers=headers)


def page_router(folder: Path = STATIC) -> APIRouter:
    """`/` and `/static/VERSION/…`."""
    contents = {
        path.relative_to(folder).as_posix(): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".d.ts")
    }
    contents[_STYLES] = b"".join(contents[name] for name in _stylesheets(contents))
    digest = hashlib.sha256()
    for name, plain in contents.items():
        digest.update(f"{name}\0{len(plain)}\0".encode())
        digest.update(plain)
    version = digest.hexdigest()[:12]
    files = {name: _File.of(name, plain) for name, plain in contents.items()}
    index = _File.of("index.html", _index(contents, version))
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        return index.answer(request, "no-cache")

    @router.get("/static/{asked}/{name:path}")
    async def file(asked: str, name: str, request: Request) -> Response:
        found = files.get(name)
        if found is None or asked != version:
            raise HTTPException(404, "the page has no such file")
        return found.answer(request, _FOR_GOOD)

    return router


def _content(path: Path) -> bytes:
    plain = path.read_bytes()
    return _lean(plain) if path.suffix == ".js" else plain


def _stylesheets(contents: dict[str, bytes]) -> list[str]:
    links = _STYLESHEETS.search(contents["index.html"].decode())
    return [] if links is None else re.findall(r'"/static/([^"]+)"', links[0])


def _at_once(contents: dict[str, bytes]) -> list[str]:
    """The modules that the first one needs, by their import statements; what is imported later,
    by a call, comes when it is called."""
    found, waiting = set(), [_FIRST]
    while waiting:
        name = waiting.pop()
        if name in found or not name.endswith(".js"):
            continue
        found.add(name)
        imports = _IMPORTS.findall(contents[name].decode())
        waiting += [posixpath.normpath(f"{posixpath.dirname(name)}/{path}") for path in imports]
    return sorted(found)


def _lean(module: bytes) -> bytes:
    """A module without what only people and `tsc` read. Its lines stay, so that errors name the
    right ones; no template literal may be longer than a line."""
    code = _COMMENTS.sub(lambda found: b"\n" * found[0].count(b"\n"), module)
    return _INDENTATION.sub(b"", code)


def _index(contents: dict[str, bytes], version: str) -> bytes:
    """The document with its files' URLs, and the modules it begins with announced at once: without
    that, each would be found only when the one that imports it has come."""
    links = [f'<link rel="modulepreload" href="/static/{name}">' for name in _at_once(contents)]
    links += [f'<link rel="preload" as="fetch" crossorigin href="/static/{w}">' for w in _WORKLETS]
    styles = f'\n    <link rel="stylesheet" href="/static/{_STYLES}">'
    text = _STYLESHEETS.sub(styles, contents["index.html"].decode())
    text = text.replace("  </head>", "\n".join([*links, "  </head>"]))
    return text.replace('"/static/', f'"/static/{version}/').encode()
