"""The folder of a speech model, by whatever name it was asked for.

A name is one of the catalogue's, a folder, or a repository of the Hugging Face Hub (`owner/name`)
that holds Whisper for CTranslate2; such a repository is taken as it is today, without a digest.
"""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

from kaiwa.errors import ModelMissing, ModelUnavailable
from kaiwa.models.catalogue import model
from kaiwa.models.hub import FIRST_CONTACT_S, HuggingFaceSource
from kaiwa.models.progress import Progress
from kaiwa.models.source import ModelFile, SourceFailed, size_of
from kaiwa.models.store import ModelStore

FILES = ("model.bin", "config.json", "tokenizer.json")
_MORE = ("vocabulary.*", "preprocessor_config.json")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def speech_folder(name: str, store: ModelStore) -> Path:
    """Where the weights are or will be. Raises ModelMissing for a name that nothing has."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if _REPOSITORY.fullmatch(name):
        return store.root / name.replace("/", "--")
    if "/" in name:
        raise ModelMissing(f"there is no folder {name}")
    return store.root / model(name).name


def pull_speech(name: str, store: ModelStore, progress: Progress) -> Path:
    """Fetch the weights if they are not here; returns their folder.

    Raises ModelMissing, ModelUnavailable, and what `ModelStore.pull` raises.
    """
    folder = speech_folder(name, store)
    missing = next((file for file in FILES if not (folder / file).is_file()), None)
    if missing is None:
        return folder
    if Path(name).expanduser() == folder:
        raise ModelMissing(f"the speech model in {folder} has no {missing}")
    if "/" not in name:
        return store.pull(model(name), progress)
    try:
        with store.locked(folder.name, progress):
            if not all((folder / file).is_file() for file in FILES):  # the one we waited for did it
                _pull_repository(name, folder, store.parts(folder.name), progress)
    except OSError as error:
        raise ModelUnavailable(f"cannot keep {name} in {store.root}: {error}") from error
    return folder


def _pull_repository(name: str, folder: Path, parts: Path, progress: Progress) -> None:
    """What a repository has today goes to a folder of its revision in `parts`, and when all of it
    is there to `folder`."""
    from huggingface_hub import HfApi

    try:
        found = HfApi().model_info(name, files_metadata=True, timeout=FIRST_CONTACT_S)
    except Exception as error:  # its own, or its HTTP client's, which changes with its version
        raise ModelUnavailable(f"the Hugging Face Hub did not name {name}: {error}") from error
    try:
        files = [
            ModelFile(file.rfilename, "", file.size or 0)
            for file in found.siblings or ()
            if any(fnmatch(file.rfilename, pattern) for pattern in (*FILES, *_MORE))
        ]
        if missing := set(FILES) - {file.name for file in files}:
            raise ModelUnavailable(
                f"{name} is no Whisper for CTranslate2: it has no {', '.join(sorted(missing))}"
            )
        source = HuggingFaceSource(name, found.sha or "main")
        parts /= source.revision
        parts.mkdir(parents=True, exist_ok=True)
        progress.note(f"{name}: from {source.label}")
        progress.start(name, source.bytes_to_fetch(files), source.bytes_here(files, parts))
        try:
            source.fetch(files, parts, progress.advance)
        finally:
            progress.finish()
        for file in files:
            if (size := size_of(parts / file.name)) != file.size:
                shutil.rmtree(parts, ignore_errors=True)
                raise SourceFailed(f"{file.name} has {size} bytes, not {file.size}")
        shutil.rmtree(folder, ignore_errors=True)
        parts.replace(folder)
        shutil.rmtree(parts.parent, ignore_errors=True)
    except SourceFailed as error:
        raise ModelUnavailable(f"the Hugging Face Hub did not give {name}: {error}") from error
