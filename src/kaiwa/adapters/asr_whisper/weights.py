"""The weights of a Whisper model as CTranslate2 stores them (`model.bin`, version 6).

The hub's Whisper models that load without PyTorch are all in this form. Layout, little-endian: the
version, the name and revision of the specification, then each variable as name, rank, dimensions,
type and bytes, then aliases; a name is a 16-bit length and so many bytes with a closing zero.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_VERSION = 6
_TYPES: tuple[Any, ...] = (np.float32, np.int8, np.int16, np.int32, np.float16)


@dataclass(frozen=True, slots=True)
class Weights:
    """Variables by name, as they are on disk (mapped, not read), and what config.json says."""

    variables: Mapping[str, Array]
    config: Mapping[str, Any]

    def array(self, name: str) -> npt.NDArray[np.float32]:
        """A variable in float32; one quantised to int8 is scaled back.

        Raises ValueError where the model has no such variable or it has an unknown type.
        """
        stored = self.variables.get(name)
        if stored is None:
            raise ValueError(f"the model has no {name}")
        array = np.asarray(stored, np.float32)
        scale = self.variables.get(f"{name}_scale")
        if scale is None:
            return array
        return array / np.asarray(scale, np.float32).reshape(-1, *[1] * (array.ndim - 1))

    @property
    def layers(self) -> tuple[int, int]:
        """How many the encoder and the decoder have."""
        return self._count("encoder"), self._count("decoder")

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self.variables["decoder/embeddings/weight"].shape[0])

    @property
    def width(self) -> int:
        """Of the decoder's states."""
        return int(self.variables["decoder/embeddings/weight"].shape[1])

    @property
    def mels(self) -> int:
        return int(self.variables["encoder/conv1/weight"].shape[1])

    @property
    def heads(self) -> int:
        return int(self.variables["decoder/num_heads"])

    @property
    def alignment_heads(self) -> list[tuple[int, int]]:
        """(layer, head) whose attention follows the sound; those of the upper half where the
        configuration names none."""
        named = self.config.get("alignment_heads")
        if named:
            return [(int(layer), int(head)) for layer, head in named]
        layers = self._count("decoder")
        return [(layer, h) for layer in range(layers // 2, layers) for h in range(self.heads)]

    def _count(self, part: str) -> int:
        pattern = re.compile(rf"{part}/layer_(\d+)/")
        found = {match[1] for name in self.variables if (match := pattern.match(name))}
        return len(found)


def read(model_dir: Path) -> Weights:
    """Raises ValueError for a file that is not a Whisper model of this version, OSError."""
    with (model_dir / "model.bin").open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    config = json.loads((model_dir / "config.json").read_text("utf-8"))
    try:
        return Weights(_variables(data), config)
    except struct.error as error:
        raise ValueError(f"the model file is damaged: {error}") from error


def _variables(data: memoryview) -> dict[str, Array]:
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return int(value)

    def name() -> str:
        nonlocal at
        length = number("H")
        at += length
        return bytes(data[at - length : at]).rstrip(b"\0").decode("utf-8", "replace")

    version = number("I")
    spec = name()
    number("I")  # its revision
    if version != _VERSION or spec != "WhisperSpec":
        raise ValueError(f"this is no Whisper model for CTranslate2 ({spec[:40]!r}, {version})")
    variables: dict[str, Array] = {}
    for _ in range(number("I")):
        key = name()
        shape = [number("I") for _ in range(number("B"))]
        kind = number("B")
        size = number("I")
        if kind < len(_TYPES):
            count = size // np.dtype(_TYPES[kind]).itemsize
            variables[key] = np.frombuffer(data, _TYPES[kind], count, at).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias = name()
        variables[alias] = variables[name()]
    return variables
