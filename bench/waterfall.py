"""The stages of many turns as a picture: a bar for each question, a colour for each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

BAR_INCHES = 0.28


def draw(turns: Sequence[tuple[str, Mapping[str, float]]], stages: Sequence[str], at: Path) -> None:
    """Write a picture (`.png`, `.svg`) of labelled turns; a stage's time is seconds from the last
    voiced sound, and its bar begins where the one before it ended."""
    figure = Figure(figsize=(9, 1.2 + BAR_INCHES * len(turns)), layout="constrained")
    axes = figure.add_subplot()
    labels = [label for label, _ in turns]
    left = [0.0] * len(turns)
    for stage in stages:
        ends = [
            max(begin, reached.get(stage, begin))
            for begin, (_, reached) in zip(left, turns, strict=True)
        ]
        widths = [end - begin for begin, end in zip(left, ends, strict=True)]
        axes.barh(labels, widths, left=left, label=stage)
        left = ends
    axes.invert_yaxis()
    axes.set_xlabel("seconds after the last voiced sound")
    axes.legend(ncols=len(stages), loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(at, dpi=120)
