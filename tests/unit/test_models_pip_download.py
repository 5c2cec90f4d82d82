"""The one place that runs pip, against a stand-in for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from kaiwa.models import pip_download as module
from kaiwa.models.pip_download import pip_download
from kaiwa.models.source import SourceFailed


def instead_of_pip(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Run `script` with pip's arguments, in an interpreter that starts quickly."""
    real = module._command

    def command(requirement: str, into: Path) -> list[str]:
        arguments = real(requirement, into)
        return [sys.executable, "-I", "-S", "-c", script, *arguments[1:]]

    monkeypatch.setattr(module, "_command", command)


def test_one_wheel_comes_without_dependencies_and_without_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_pip(
        monkeypatch,
        "import sys; a = sys.argv; into = a[a.index('--dest') + 1];"
        "open(into + '/it.whl', 'w').write(' '.join(a[1:]))",
    )

    pip_download("tiny==1.0", tmp_path, lambda count: None)

    asked = (tmp_path / "it.whl").read_text().split()
    assert asked[:4] == ["-P", "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(asked)
    assert asked[-1] == "tiny==1.0"


def test_bytes_are_told_while_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    instead_of_pip(
        monkeypatch,
        "import os, sys\n"
        "open(os.environ['TMPDIR'] + '/half.whl', 'wb').write(bytes(500))\n"
        "while not os.path.exists(os.environ['TMPDIR'] + '/../seen'): pass",
    )
    told: list[int] = []

    def tell(count: int) -> None:
        told.append(count)
        if count:
            (tmp_path / "seen").touch()

    pip_download("tiny==1.0", tmp_path, tell)

    assert told[-1] == 500


def test_a_failure_is_pips_own_words_without_the_indexs_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_pip(
        monkeypatch,
        "import sys; print('Looking'); print('ERROR: no tiny at https://me:secret@index.test/');"
        "print('a notice'); sys.exit(1)",
    )

    with pytest.raises(SourceFailed) as raised:
        pip_download("tiny==1.0", tmp_path, lambda count: None)

    assert str(raised.value).startswith(
        "pip could not bring tiny==1.0: no tiny at https://index.test/ (by hand: "
    )


def test_a_pip_that_brings_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "STALL_S", 0.02)
    instead_of_pip(monkeypatch, "import threading; threading.Event().wait()")

    with pytest.raises(SourceFailed, match="brought nothing"):
        pip_download("tiny==1.0", tmp_path, lambda count: None)


def test_an_environment_without_pip_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(SourceFailed, match="uv pip install pip"):
        pip_download("tiny==1.0", tmp_path, lambda count: None)
