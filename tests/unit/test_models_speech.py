"""A speech model is found by its name, its folder or its repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaiwa.errors import ModelMissing, ModelUnavailable
from kaiwa.models.progress import SilentProgress
from kaiwa.models.speech import FILES, pull_speech, speech_folder
from kaiwa.models.store import ModelStore


def test_a_name_a_folder_and_a_repository(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    assert speech_folder("whisper-base", store) == tmp_path / "models" / "whisper-base"
    assert speech_folder(str(tmp_path), store) == tmp_path
    assert speech_folder("owner/name", store) == tmp_path / "models" / "owner--name"


def test_what_nothing_has_is_refused(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(ModelMissing, match="whisper-base"):
        speech_folder("whisper-huge", store)
    with pytest.raises(ModelMissing, match="no folder"):
        speech_folder("/no/such/folder", store)


def test_a_folder_needs_all_files(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(ModelMissing, match=r"model\.bin"):
        pull_speech(str(folder), store, SilentProgress())
    for name in FILES:
        (folder / name).touch()
    assert pull_speech(str(folder), store, SilentProgress()) == folder


def test_a_repository_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="owner/name"):
        pull_speech("owner/name", ModelStore(tmp_path), SilentProgress())
