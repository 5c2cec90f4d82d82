"""A speech model is found by its name, its folder or its repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock, Timeout

from kaiwa.errors import ModelMissing, ModelUnavailable
from kaiwa.models.hub import HuggingFaceSource
from kaiwa.models.progress import SilentProgress
from kaiwa.models.source import Advance, ModelFile, SourceFailed
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


def test_a_repository_comes_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*FILES, "vocabulary.json", "README.md"]
    siblings = [SimpleNamespace(rfilename=name, size=4) for name in names]
    found = SimpleNamespace(siblings=siblings, sha="abc")
    broken = True

    def fetch(
        self: HuggingFaceSource, files: Sequence[ModelFile], parts: Path, advance: Advance
    ) -> None:
        assert (self.repo, self.revision) == ("owner/name", found.sha)
        with pytest.raises(Timeout):  # nobody else fetches it
            FileLock(tmp_path / ".partial" / "owner--name.lock").acquire(timeout=0)
        assert not list(parts.iterdir())  # of another revision
        for file in files:
            (parts / file.name).write_bytes(b"1234")
            advance(file.size)
            if broken:
                raise SourceFailed("no connection")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: found)
    monkeypatch.setattr(HuggingFaceSource, "fetch", fetch)
    store = ModelStore(tmp_path)
    with pytest.raises(ModelUnavailable, match="no connection"):
        pull_speech("owner/name", store, SilentProgress())
    assert not (tmp_path / "owner--name").exists()
    broken, found.sha = False, "def"
    folder = pull_speech("owner/name", store, SilentProgress())
    assert {file.name for file in folder.iterdir()} == {*FILES, "vocabulary.json"}

    found.sha, found.siblings[0].size = "ghi", 3
    (folder / "model.bin").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.bin has 4 bytes, not 3"):
        pull_speech("owner/name", store, SilentProgress())
    assert not (folder / "model.bin").exists()

    found.siblings = siblings[:1]
    with pytest.raises(ModelUnavailable, match=r"no config\.json, tokenizer\.json"):
        pull_speech("owner/other", store, SilentProgress())
