"""The command line's part about recordings."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.errors import BrokenAudio, SetupError, TooMuch
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.decoder import Recording
from kaiwa.transcribing import Said, Text, named, transcribe


def run(
    recording: Recording, file: Path, form: str, language: str | None, recogniser: Recogniser
) -> None:
    """Write it; a text that is broken off, by whatever, is still one of its form."""
    text = Text(form)
    _write(text.head)
    try:
        asyncio.run(_said(recording, named(Path(file.name)), text, language, recogniser))
    except (BrokenAudio, TooMuch) as error:
        raise type(error)(f"{named(file)}: {error.message}") from error
    finally:
        _write(text.foot)


async def _said(
    recording: Recording, name: str, text: Text, language: str | None, recogniser: Recogniser
) -> None:
    decoder = PyAvDecoder()
    with _bar(recording) as bar:
        task = bar.add_task(name, total=_size(recording), heard="")

        def heard(ms: int) -> None:
            until = timedelta(seconds=ms // 1000)
            bar.update(task, completed=_read(recording), heard=f"{until}")

        def said(said: Said) -> None:
            _write(text.added(said))

        try:
            await recogniser.ready()
            await transcribe(
                recording,
                recogniser=recogniser,
                vad=SileroVoiceActivity,
                decoder=decoder,
                language=language,
                on_said=said,
                on_heard=heard,
            )
        finally:
            await decoder.close()
            await recogniser.close()


def _bar(recording: Recording) -> Progress:
    """How far it is; where the text itself is shown, that says it."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[heard]}"),
        TimeElapsedColumn() if _size(recording) is None else TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,  # else the text would go to standard error
        disable=not console.is_terminal or sys.stdout.isatty(),
    )


def _size(recording: Recording) -> int | None:
    """In bytes; None for a pipe."""
    return os.fstat(recording.descriptor).st_size or None


def _read(recording: Recording) -> int:
    """Where its reader is, which is the decoder's child: it has the same open file."""
    try:
        return os.lseek(recording.descriptor, 0, os.SEEK_CUR)
    except OSError:
        return 0


def _write(text: str) -> None:
    """Raises SetupError where it cannot be written (a full disk, a reader who has left)."""
    if sys.stdout is None:
        raise SetupError("the text cannot be written: standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left over is written once more at the exit
        os.close(nowhere)
        raise SetupError(f"the text cannot be written: {error.strerror}") from error
