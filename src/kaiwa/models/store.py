"""Where weights are kept: checked against their publisher's digests, whole or not at all.

root/<model>/<file>           whole and checked, put there by one rename
root/<model>/.verified        written last: these files had these digests
root/.partial/<model>/<kind>/ parts that a source has brought so far; gone after a success
root/.partial/<model>.lock    held by the one process that pulls this model
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs

from kaiwa.errors import DigestMismatch, ModelMissing, ModelUnavailable
from kaiwa.models.catalogue import Model
from kaiwa.models.progress import Progress, SilentProgress
from kaiwa.models.source import ModelFile, Source, SourceFailed, human_bytes, sha256_of, size_of

LOCK_TIMEOUT_S = 3600.0  # another process fetches a gigabyte over a slow line
SPARE_BYTES = 64_000_000  # left free on the disk, whatever is pulled

_PARTIAL = ".partial"
_VERIFIED = ".verified"


def default_root() -> Path:
    """The user's cache folder, where weights outlive any one data folder."""
    return platformdirs.user_cache_path("kaiwa") / "models"


class ModelStore:
    """The weights on this machine; several processes may share one root."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def path(self, model: Model) -> Path:
        """The folder that holds the model's files; raises `ModelMissing` unless all are there."""
        if not self.is_complete(model):
            raise ModelMissing(
                f"the weights of {model.name} are not in {self.root};"
                f" fetch them with `kaiwa models pull {model.name}`"
            )
        return self.root / model.name

    def is_complete(self, model: Model) -> bool:
        """Cheap: nothing is hashed. It was once, and the sizes still agree."""
        folder = self.root / model.name
        try:
            verified = json.loads((folder / _VERIFIED).read_text())
        except (OSError, ValueError):
            return False
        return bool(verified == _digests(model.files)) and all(
            size_of(folder / file.name) == file.size for file in model.files
        )

    def verify(self, model: Model) -> None:
        """Hash every file again.

        Raises `ModelMissing`, or `DigestMismatch`, after which the model counts as missing and
        the next pull repairs it.
        """
        folder = self.path(model)
        for file in model.files:
            if (found := sha256_of(folder / file.name)) != file.sha256:
                (folder / _VERIFIED).unlink(missing_ok=True)
                raise _mismatch(model, file, found, str(folder / file.name))

    def pull(self, model: Model, progress: Progress | None = None) -> Path:
        """The model's folder, fetched from the first source that gives the publisher's bytes.

        Blocks, for minutes on a slow line. With everything here it asks no source, and takes no
        lock. After an interruption, however rude, it goes on from the parts that came. Raises
        `ModelUnavailable`, with a line for each source.
        """
        progress = progress or SilentProgress()
        if not self.is_complete(model):
            try:
                with self.locked(model.name, progress):
                    if not self.is_complete(model):  # the process we waited for may have done it
                        self._fill(model, progress)
            except OSError as error:
                raise ModelUnavailable(
                    f"cannot keep {model.name} in {self.root}: {error}"
                ) from error
        return self.path(model)

    def parts(self, name: str) -> Path:
        """Where an unfinished pull of that model is kept."""
        return self.root / _PARTIAL / name

    @contextmanager
    def locked(self, name: str, progress: Progress) -> Iterator[None]:
        """Nobody else pulls that model during the block. Raises `ModelUnavailable`, OSError."""
        (self.root / _PARTIAL).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.root / _PARTIAL / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            progress.note(f"{name}: another process is fetching it; waiting")
            try:
                lock.acquire(timeout=LOCK_TIMEOUT_S)
            except filelock.Timeout as error:
                raise ModelUnavailable(
                    f"another process has been fetching {name} for"
                    f" {LOCK_TIMEOUT_S / 60:.0f} minutes; end it and try again"
                ) from error
        try:
            yield
        finally:
            lock.release()

    def _fill(self, model: Model, progress: Progress) -> None:
        """Bring what is missing; the lock is held."""
        folder = self.root / model.name
        folder.mkdir(exist_ok=True)
        (folder / _VERIFIED).unlink(missing_ok=True)
        failures: list[tuple[Source, Exception]] = []
        for source in model.sources:
            wanted = [file for file in model.files if not _is_good(folder / file.name, file)]
            if not wanted:
                break
            try:
                self._bring(model, wanted, source, progress)
                break
            except (SourceFailed, DigestMismatch) as error:
                progress.note(f"{model.name}: not from {source.label}: {error}")
                failures.append((source, error))
        else:
            lines = [f"{source.label}: {error}" for source, error in failures]
            raise ModelUnavailable(
                "\n  - ".join([f"{model.name} could not be fetched:", *lines])
            ) from ExceptionGroup(f"sources of {model.name}", [error for _, error in failures])
        _write_durably(folder / _VERIFIED, json.dumps(_digests(model.files)).encode())
        shutil.rmtree(self.parts(model.name), ignore_errors=True)

    def _bring(
        self, model: Model, files: Sequence[ModelFile], source: Source, progress: Progress
    ) -> None:
        """Fetch and assemble `files` from one source; a digest that fails takes its parts along."""
        parts = self.parts(model.name) / source.kind
        parts.mkdir(parents=True, exist_ok=True)
        total, already = source.bytes_to_fetch(files), source.bytes_here(files, parts)
        self._check_space(model, total - already + sum(file.size for file in files))
        progress.note(f"{model.name}: from {source.label}")
        progress.start(model.name, total, already)
        try:
            source.fetch(files, parts, progress.advance)
        finally:
            progress.finish()
        progress.note(f"{model.name}: putting the files together and checking their sha256")
        try:
            for file in files:
                self._assemble(model, file, source, parts)
        except (DigestMismatch, SourceFailed):
            shutil.rmtree(parts, ignore_errors=True)
            raise

    def _check_space(self, model: Model, needed: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free < needed + SPARE_BYTES:
            raise ModelUnavailable(
                f"{model.name} needs {human_bytes(needed + SPARE_BYTES)} in {self.root} while it"
                f" is being fetched, and {human_bytes(free)} is free"
            )

    def _assemble(self, model: Model, file: ModelFile, source: Source, parts: Path) -> None:
        """Write one file under another name, hashing it on the way, and rename it when right."""
        assembling = parts / f"{file.name}.assembling"
        digest, size = hashlib.sha256(), 0
        try:
            with assembling.open("wb") as out:
                for chunk in source.chunks(file, parts):
                    size += len(chunk)
                    if size > file.size:
                        found = f"that of something longer than {file.size} bytes"
                        raise _mismatch(model, file, found, source.label)
                    digest.update(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            if digest.hexdigest() != file.sha256:
                raise _mismatch(model, file, digest.hexdigest(), source.label)
            target = self.root / model.name / file.name
            assembling.replace(target)
            _sync_folder(target.parent)
        finally:
            assembling.unlink(missing_ok=True)


def _digests(files: Sequence[ModelFile]) -> dict[str, str]:
    return {file.name: file.sha256 for file in files}


def _is_good(path: Path, file: ModelFile) -> bool:
    return size_of(path) == file.size and sha256_of(path) == file.sha256


def _mismatch(model: Model, file: ModelFile, found: str, where: str) -> DigestMismatch:
    return DigestMismatch(
        f"{file.name} of {model.name} from {where} is not what its publisher published:"
        f" its sha256 is {found}, not {file.sha256}"
    )


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets a folder be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
