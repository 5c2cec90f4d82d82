"""The command line's part about weights."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kaiwa.errors import DigestMismatch, KaiwaError, NotFound
from kaiwa.settings import read_settings

models_cli = typer.Typer(help="The weights: what is there, and fetching them.")
out = Console(highlight=False)


@models_cli.command("list")
def list_models() -> None:
    """The models kaiwa knows, and which of them are on this machine."""
    from kaiwa.models.catalogue import CATALOGUE, PACKAGED
    from kaiwa.models.store import ModelStore

    store = ModelStore(read_settings().models)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "use", "size", "here"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it is")
    for known in CATALOGUE:
        here = "yes" if store.is_complete(known) else "no"
        what = f"{known.about} ({known.licence})"
        table.add_row(known.name, known.use, f"{known.size / 1e6:,.0f} MB", here, what)
    for packaged in PACKAGED:
        what = f"{packaged.about} ({packaged.licence}; comes with {packaged.package})"
        table.add_row(packaged.name, packaged.use, "", "yes", what)
    out.print(table)


@models_cli.command("pull")
def pull_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="From the list; none: what serve uses by default."),
    ] = None,
) -> None:
    """Fetch weights, with progress; what was fetched before is checked by digest, and kept.

    A name that is not in the list is pulled by the Ollama server, if there is one.
    """
    from kaiwa.models.catalogue import CATALOGUE, DEFAULT_MODELS
    from kaiwa.models.progress import progress_for
    from kaiwa.models.store import ModelStore

    settings = read_settings()
    store = ModelStore(settings.models)
    known = {model.name: model for model in CATALOGUE}
    for name in names or [model.name for model in DEFAULT_MODELS]:
        if name in known:
            progress = progress_for()
            if store.is_complete(known[name]):
                try:
                    store.verify(known[name])
                except DigestMismatch as error:
                    progress.note(error.message)
            path = store.pull(known[name], progress)
            print(f"{name}: {path}")
        else:
            asyncio.run(_pull_by_ollama(settings, name))


def pull_needed(settings: Any) -> None:
    """Fetch what these settings use and is not here, before the server starts."""
    from kaiwa.app import needed_models
    from kaiwa.models.progress import progress_for
    from kaiwa.models.speech import pull_speech
    from kaiwa.models.store import ModelStore

    store = ModelStore(settings.models)
    if settings.recogniser_address is None:
        pull_speech(settings.recogniser_model, store, progress_for())
    for model in asyncio.run(needed_models(settings)):
        if store.is_complete(model):
            continue
        try:
            store.pull(model, progress_for())
        except KaiwaError as error:
            if model.use != "turn":
                raise
            out.print(f"turns are judged by silence and words alone: {error.message}")


async def _pull_by_ollama(settings: Any, name: str) -> None:
    from kaiwa.adapters.llm_ollama import OllamaChatModel, detect
    from kaiwa.app import pull_by_ollama
    from kaiwa.models.progress import progress_for
    from kaiwa.settings import OLLAMA_USUAL_URL

    url = settings.llm_url or OLLAMA_USUAL_URL
    if not await detect(url):
        raise NotFound(
            f"kaiwa has no model {name}, and no Ollama answers at {url} to pull it; "
            "`kaiwa models list` names the models kaiwa has"
        )
    ollama = OllamaChatModel(url)
    try:
        await pull_by_ollama(ollama, name, progress_for())
    finally:
        await ollama.close()
    print(f"{name}: pulled by Ollama at {url}")
