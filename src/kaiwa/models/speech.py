"""The folder of a speech model, by whatever name it was asked for.

A name is one of the catalogue's, a folder, or a repository of the Hugging Face Hub (`owner/name`)
that holds Whisper for CTranslate2; such a repository is taken as it is today, without a digest.
"""

from __future__ import annotations

import re
from pathlib import Path

from kaiwa.errors import ModelMissing, ModelUnavailable
from kaiwa.models.catalogue import model
from kaiwa.models.progress import Progress
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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    progress.note(f"fetching {name} from the Hugging Face Hub")
    try:
        snapshot_download(name, local_dir=folder, allow_patterns=[*FILES, *_MORE])
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelUnavailable(f"the Hugging Face Hub did not give {name}: {error}") from error
    return folder
