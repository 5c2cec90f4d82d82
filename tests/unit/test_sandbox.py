"""A confined process can do nothing but read and write the pipes it has."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import json, socket
from dataclasses import asdict
from kaiwa.adapters import sandbox

def tried(action):
    try:
        action()
    except OSError as refused:
        return type(refused).__name__
    return "allowed"

with socket.socketpair()[0]:
    pass
held = sandbox.confine(memory=64 << 20, cpu_seconds=60)
try:
    bytearray(256 << 20)
    memory = "allowed"
except MemoryError:
    memory = "MemoryError"
print(json.dumps({
    "held": asdict(held),
    "file": tried(lambda: open("/etc/hostname", "rb")),
    "socket": tried(lambda: socket.socket()),
    "memory": memory,
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of it")
def test_a_confined_process_opens_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["held"]["no_new_privileges"]
    assert told["held"]["dies_with_parent"]
    assert told["held"]["no_new_descriptors"]
    assert told["file"] != "allowed"
    assert told["socket"] != "allowed"
    assert told["memory"] == "MemoryError"
