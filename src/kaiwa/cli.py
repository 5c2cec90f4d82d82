"""The command line: a contract. One clear line on standard error and a non-zero exit on failure."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kaiwa import __version__
from kaiwa.cli_models import models_cli, pull_needed
from kaiwa.cli_users import Data, token, user_cli
from kaiwa.domain.ids import TalkId
from kaiwa.errors import BadRequest, KaiwaError, NotFound
from kaiwa.logs import to_stderr
from kaiwa.ports.asr import Recogniser
from kaiwa.settings import DEFAULT_PORT, read_settings

cli = typer.Typer(
    name="kaiwa",
    help="Talk by voice with each other and with a language model on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(models_cli, name="models", no_args_is_help=True)
cli.add_typer(user_cli, name="user", no_args_is_help=True)
cli.command()(token)

Model = Annotated[
    str | None,
    typer.Option(
        help="A name of `kaiwa models list`, a folder, or owner/name on the Hugging Face Hub.",
        show_default="as serve: whisper-base",
    ),
]
out = Console(highlight=False)


def main() -> None:
    """Run the command line; errors of ours and the system's become one line and exit status 1."""
    try:
        cli()
    except KaiwaError as error:
        print(f"kaiwa: {error.message}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # a folder that cannot be, a disk that is full
        print(f"kaiwa: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@cli.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Where to listen.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option(show_default=str(DEFAULT_PORT))] = None,
    data: Data = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page.")] = False,
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS, with a local certificate.")
    ] = False,
    cert: Annotated[Path | None, typer.Option(help="A certificate of yours (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    behind_proxy: Annotated[
        str | None,
        typer.Option(metavar="ORIGIN", help="What browsers see, if a proxy speaks TLS for kaiwa."),
    ] = None,
) -> None:
    """Run the server and open the page.

    The first start fetches the weights (about 1.3 GB). Ctrl-C or SIGTERM ends it cleanly.
    """
    from kaiwa.http_server import leave
    from kaiwa.serving import check
    from kaiwa.serving import serve as run

    to_stderr()
    settings = read_settings(host=host, port=port, data=data, behind_proxy=behind_proxy)
    check(settings, tls=tls, cert=cert, key=key)
    pull_needed(settings)
    asyncio.run(run(settings, tls=tls, cert=cert, key=key, open_page=not no_open))
    leave()


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file; only you can read it.")],
    data: Data = None,
) -> None:
    """Write everything, talks, sound and accounts, to one file; also while kaiwa serve runs."""
    from kaiwa.adapters.postgres.backup import dump
    from kaiwa.adapters.postgres.embedded import is_made
    from kaiwa.database import address_of

    settings = read_settings(data=data)
    if not (settings.database_url or is_made(settings.data)):
        raise NotFound(f"there is no database in {settings.data}; give the --data of kaiwa serve")

    async def run() -> None:
        async with address_of(settings, alone=False) as url:
            await asyncio.to_thread(dump, url, file)

    asyncio.run(run())


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What kaiwa backup wrote.")],
    data: Data = None,
) -> None:
    """Read a backup into an empty database: a new --data folder, or a DATABASE_URL of yours."""
    from kaiwa.adapters.postgres.backup import restore as read
    from kaiwa.adapters.postgres.migrate import migrate
    from kaiwa.database import address_of

    async def run() -> None:
        async with address_of(read_settings(data=data), alone=True) as url:
            await read(url, file.absolute())
            await migrate(url)

    asyncio.run(run())


@cli.command()
def rehear(
    talk: Annotated[str, typer.Argument(help="Its id: what the page's address ends in.")],
    model: Annotated[
        str | None,
        typer.Option(help="A better one, such as whisper-small.", show_default="as serve"),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="ISO 639-1, or auto.", show_default="the talk's")
    ] = None,
    data: Data = None,
) -> None:
    """Recognise a recorded talk again; also while kaiwa serve runs.

    What reads otherwise becomes a correction, the original is kept; what people corrected stays.
    """
    from rich.progress import Progress as Bar

    from kaiwa.adapters.postgres.event_log import PostgresEventLog
    from kaiwa.adapters.postgres.recordings import PostgresRecordings
    from kaiwa.adapters.postgres.talks import PostgresTalks
    from kaiwa.database import database_of
    from kaiwa.rehearing import Reheard, Rehearing

    async def run() -> Reheard:
        async with database_of(read_settings(data=data), alone=False) as database:
            settings = await PostgresTalks(database).settings(TalkId(talk))
            recordings = PostgresRecordings(database)
            rehearing = Rehearing(PostgresEventLog(database), recordings, TalkId(talk))
            await rehearing.open()
            name = read_settings(data=data, asr_model=model).recogniser_model
            recogniser = _embedded_recogniser(name)
            chosen = _language(language or settings.language)
            with Bar(console=Console(stderr=True)) as bar:
                task = bar.add_task(name, total=len(rehearing.recorded))
                try:
                    await recogniser.ready()
                    return await rehearing.run(
                        recogniser,
                        name,
                        chosen,
                        settings.vocabulary,
                        lambda: bar.advance(task),
                    )
                finally:
                    await recogniser.close()

    heard = asyncio.run(run())
    print(f"{heard.recorded} recorded, {heard.changed} changed, {heard.left} corrected before")


@cli.command("asr-server")
def asr_server(
    host: Annotated[str, typer.Option(help="Where to listen. The wire has no passwords.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 43001,
    model: Model = None,
    language: Annotated[str, typer.Option(help="ISO 639-1, or auto.")] = "auto",
) -> None:
    """Recognise for others, by the protocol of whisper_online_server.py.

    Another kaiwa uses it with KAIWA_ASR_URL=tcp://HOST:PORT.
    """
    from kaiwa.adapters.vad_silero import SileroVoiceActivity
    from kaiwa.asr_server import serve as run

    to_stderr()
    chosen = _language(language)
    asyncio.run(run(_embedded_recogniser(model), SileroVoiceActivity, chosen, host, port))


@cli.command()
def transcribe(
    file: Annotated[
        Path,
        typer.Argument(
            help="WAV, MP3, FLAC, AAC, Ogg, MP4, M4A, MOV, WebM or MKV; - is standard input."
        ),
    ],
    form: Annotated[str, typer.Option("--format", help="txt, srt, vtt or json.")] = "txt",
    language: Annotated[str, typer.Option(help="ISO 639-1, or auto.")] = "auto",
    model: Model = None,
) -> None:
    """Write what is said in a recording to standard output, as it is recognised.

    Of a recording that is damaged or cut off, what can be read is written; the exit status is 1.
    """
    from kaiwa.cli_transcribe import run
    from kaiwa.transcribing import FORMS, opened

    if form not in FORMS:
        raise BadRequest(f"--format is one of {', '.join(FORMS)}")
    chosen = _language(language)
    with opened(file) as recording:
        run(recording, file, form, chosen, _embedded_recogniser(model))


@cli.command()
def doctor(data: Data = None) -> None:
    """Say what works on this machine, what does not, and what to do about it."""
    from kaiwa.doctor import examine

    settings = read_settings(data=data)
    findings = asyncio.run(examine(settings))
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]--[/]" if finding.needed else "[yellow]!![/]"
        out.print(f"{mark} {finding.what}: {finding.says}")
        if not finding.ok and finding.remedy:
            out.print(f"   {finding.remedy}")
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


@cli.command()
def bench() -> None:
    """Measure how fast this machine hears, thinks and speaks; takes about a minute."""
    from kaiwa.benching import measure

    async def run() -> None:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        async with aclosing(measure(settings)) as rows:
            async for row in rows:
                print(f"{row.seconds:6.2f} s  {row.part}: {row.what}", end="")
                print(f" ({row.note})" if row.note else "", flush=True)

    settings = read_settings()
    pull_needed(settings)
    asyncio.run(run())


def _embedded_recogniser(name: str | None) -> Recogniser:
    """Whisper in this process, its weights fetched if they are not here."""
    from kaiwa.adapters.asr_whisper import WhisperRecogniser
    from kaiwa.models.progress import progress_for
    from kaiwa.models.speech import pull_speech
    from kaiwa.models.store import ModelStore

    settings = read_settings(asr_model=name)
    store = ModelStore(settings.models)
    return WhisperRecogniser(pull_speech(settings.recogniser_model, store, progress_for()))


def _language(given: str) -> str | None:
    """None for "auto". Raises BadRequest for what Whisper does not know."""
    from kaiwa.adapters.asr_whisper import LANGUAGES

    if given == "auto":
        return None
    if given not in LANGUAGES:
        raise BadRequest(f"--language is auto or a code such as ja or en, not {given}")
    return given
