"""The composition root: the one place that builds adapters and joins them."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from kaiwa.adapters.asr_tcp import TcpRecogniser
from kaiwa.adapters.asr_whisper import WhisperRecogniser
from kaiwa.adapters.llm_embedded import EmbeddedChatModel
from kaiwa.adapters.llm_ollama import OllamaChatModel, detect
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.clips import PostgresClipStore
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.invites import PostgresInvites
from kaiwa.adapters.postgres.readings import reading
from kaiwa.adapters.postgres.recordings import PostgresRecordings
from kaiwa.adapters.postgres.summaries import PostgresSummaries
from kaiwa.adapters.postgres.sweeping import sweeping
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.adapters.postgres.wakeups import PostgresWakeups
from kaiwa.adapters.prometheus import MeasuredEventLog, PrometheusMeasures
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.adapters.tts_hibari import HibariVoices
from kaiwa.adapters.tts_kokoro import KokoroVoices
from kaiwa.adapters.tts_openai import OpenAIVoices
from kaiwa.adapters.tts_openjtalk import OpenJTalkVoices
from kaiwa.adapters.tts_voicevox import VoicevoxVoices
from kaiwa.adapters.turn_smart import SmartTurn
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.adapters.voice_process import VoiceProcess
from kaiwa.database import database_of
from kaiwa.errors import KaiwaError
from kaiwa.models.catalogue import CATALOGUE, SMART_TURN, Model, model, names
from kaiwa.models.progress import Progress
from kaiwa.models.pulls import Fetch, Pulls, in_thread
from kaiwa.models.speech import FILES, pull_speech, speech_folder
from kaiwa.models.store import ModelStore
from kaiwa.pipeline.captures import Captures
from kaiwa.pipeline.changing import ChangingRecogniser
from kaiwa.pipeline.clips import Clips
from kaiwa.pipeline.fan_out import FanOut
from kaiwa.pipeline.floor import Floors
from kaiwa.pipeline.ingest import Limits
from kaiwa.pipeline.listen import Ears
from kaiwa.pipeline.openers import Openers
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.tasks import contained, one_error
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.decoder import Decoder
from kaiwa.ports.llm import ChatModel
from kaiwa.ports.tts import VoiceEngine
from kaiwa.ports.turn import TurnDetector
from kaiwa.ports.vad import VoiceActivityFactory
from kaiwa.ports.wakeup import Wakeups
from kaiwa.settings import CHOSEN_RECOGNISER, OLLAMA_USUAL_URL, Settings
from kaiwa.web.attempts import Attempts
from kaiwa.web.security import Site
from kaiwa.web.services import Services
from kaiwa.web.sessions import Sessions

log = structlog.get_logger()


async def choose_chat_model(settings: Settings) -> ChatModel:
    """The server of `llm_url`; else an Ollama at its usual address that has a model; else the
    embedded one."""
    url = settings.llm_url or OLLAMA_USUAL_URL
    if await detect(url):
        ollama = OllamaChatModel(url, default_model=settings.llm_model, think=settings.llm_think)
        if settings.llm_url or await _has_models(ollama):
            return ollama
        await ollama.close()
    if settings.llm_url:
        return OpenAIChatModel(url, api_key=settings.llm_key, default_model=settings.llm_model)
    store = ModelStore(settings.models)
    weights = model(settings.chat_model)
    return EmbeddedChatModel(store.root / weights.name / weights.files[0].name, name=weights.name)


async def _has_models(chat: ChatModel) -> bool:
    try:
        return bool(await chat.models())
    except KaiwaError:
        return False


def choose_recogniser(settings: Settings) -> Recogniser:
    """A recogniser over TCP where one is named, else the embedded one."""
    address = settings.recogniser_address
    if address is not None:
        return TcpRecogniser(*address)
    store = ModelStore(settings.models)
    return ChangingRecogniser(
        settings.recogniser_model, lambda name: WhisperRecogniser(speech_folder(name, store))
    )


def changing(settings: Settings, recogniser: Recogniser) -> Callable[[str], Awaitable[None]] | None:
    """Changes the recogniser by the name of its weights, for this process and its next start; None
    where the settings name another server or the weights."""
    if not isinstance(recogniser, ChangingRecogniser) or "asr_model" in settings.model_fields_set:
        return None

    async def change(name: str) -> None:
        await recogniser.change(name)
        settings.data.mkdir(parents=True, exist_ok=True)
        chosen = settings.data / CHOSEN_RECOGNISER
        fresh = chosen.with_suffix(".new")
        fresh.write_text(name, encoding="utf-8")
        fresh.replace(chosen)

    return change


def own_voices(process: VoiceProcess) -> list[VoiceEngine]:
    """The voices of this machine, all in one child process."""
    return [KokoroVoices(process), OpenJTalkVoices(process), HibariVoices(process)]


def other_voices(settings: Settings) -> list[VoiceEngine]:
    """The voices of the servers that the settings name."""
    engines: list[VoiceEngine] = []
    if settings.voicevox_url:
        engines.append(VoicevoxVoices(settings.voicevox_url))
    if settings.speech_url:
        engines.append(
            OpenAIVoices(
                settings.speech_url,
                api_key=settings.speech_key,
                model=settings.speech_model,
                names=settings.speech_voices,
            )
        )
    return engines


async def needed_models(settings: Settings) -> list[Model]:
    """The weights of the catalogue that these settings will use."""
    needed = []
    if settings.recogniser_address is None and settings.recogniser_model in names():
        needed.append(model(settings.recogniser_model))
    chat = await choose_chat_model(settings)
    if chat.kind == EmbeddedChatModel.kind:
        needed.append(model(settings.chat_model))
    await chat.close()
    return [*needed, SMART_TURN]


@dataclass(frozen=True, slots=True)
class Engines:
    """What hears, thinks and speaks. `parts` proves that each of them answers."""

    recogniser: Recogniser
    vad: VoiceActivityFactory
    decoder: Decoder
    chat: ChatModel
    voices: VoiceBook
    parts: Mapping[str, Callable[[], Awaitable[None]]]
    turn: TurnDetector | None = None


@asynccontextmanager
async def engines_of(settings: Settings) -> AsyncIterator[Engines]:
    """The engines of the settings; they load in the background, one after another."""
    async with AsyncExitStack() as stack:
        recogniser = choose_recogniser(settings)
        stack.push_async_callback(recogniser.close)
        chat = await choose_chat_model(settings)
        stack.push_async_callback(chat.close)
        decoder = PyAvDecoder()
        stack.push_async_callback(decoder.close)
        voice_process = VoiceProcess()
        stack.push_async_callback(voice_process.close)
        own, others = own_voices(voice_process), other_voices(settings)
        for engine in others:
            stack.push_async_callback(engine.close)
        voices = VoiceBook([*own, *others])
        weights = ModelStore(settings.models).root / SMART_TURN.name
        turn = SmartTurn(weights / SMART_TURN.files[0].name)
        parts = {
            "recogniser": recogniser.ready,
            "chat model": chat.ready,
            "decoder": decoder.ready,
            **{engine.name: engine.ready for engine in own},
        }
        # A server that is away leaves this one ready: another voice speaks then.
        elsewhere = {engine.name: engine.ready for engine in others} | {"turn model": turn.ready}
        await stack.enter_async_context(_warming(parts | elsewhere, Openers(voices)))
        yield Engines(recogniser, SileroVoiceActivity, decoder, chat, voices, parts, turn)


@asynccontextmanager
async def assembled(
    settings: Settings, site: Site, database: Database, engines: Engines
) -> AsyncIterator[Services]:
    """Everything a server process needs, joined, for the length of the block."""
    async with AsyncExitStack() as stack:
        wakeups: Wakeups
        if database.bus is None:
            wakeups = await stack.enter_async_context(PostgresWakeups.run(database.url))
        else:
            wakeups = database.bus
        accounts = PostgresAccounts(database)
        sessions = await stack.enter_async_context(Sessions.run(accounts))
        await stack.enter_async_context(sweeping(database))
        await stack.enter_async_context(reading(database))
        talks = PostgresTalks(database)
        listeners: set[object] = set()
        measures = PrometheusMeasures(
            talkers=lambda: captures.going_on, listeners=lambda: len(listeners)
        )
        event_log = MeasuredEventLog(database, measures)
        clips = PostgresClipStore(database)
        owner = _process_name()
        responder = await stack.enter_async_context(
            Responder.run(
                event_log=event_log,
                wakeups=wakeups,
                clips=clips,
                summaries=PostgresSummaries(database),
                model=engines.chat,
                voices=engines.voices,
                owner=owner,
                speculates=settings.speculation,
            )
        )
        fan_out = await stack.enter_async_context(FanOut.run(event_log, wakeups))
        floors = await stack.enter_async_context(
            Floors.run(event_log, fan_out, clips, responder, owner)
        )
        ears = Ears(
            event_log=event_log,
            talks=talks,
            recogniser=engines.recogniser,
            vad=engines.vad,
            attending=floors.attending,
            turn=engines.turn,
            on_voice=engines.voices.disturb,
            on_lag=measures.recognised,
        )
        captures = Captures(
            ears=ears,
            decoder=engines.decoder,
            limits=Limits(
                seconds=settings.max_capture_hours * 3600,
                bytes=settings.max_upload_mb * 1_000_000,
            ),
            per_user=settings.max_streams_per_user,
        )
        yield Services(
            site=site,
            sessions=sessions,
            attempts=Attempts(site),
            accounts=accounts,
            talks=talks,
            invites=PostgresInvites(database),
            event_log=event_log,
            clips=Clips(clips, event_log, engines.voices),
            recordings=PostgresRecordings(database),
            wakeups=wakeups,
            fan_out=fan_out,
            captures=captures,
            responder=responder,
            floors=floors,
            voices=engines.voices,
            recogniser=engines.recogniser,
            model=engines.chat,
            measures=measures,
            listeners=listeners,
            weights=lambda: weights_of(settings, engines.recogniser, engines.chat.kind),
            change_recogniser=changing(settings, engines.recogniser),
            pulls=await stack.enter_async_context(Pulls.run(fetching(settings, engines.chat))),
            parts={"database": database.answers, **engines.parts},
            registration=settings.registration,
        )


@asynccontextmanager
async def running(settings: Settings, site: Site) -> AsyncIterator[Services]:
    """A whole server process but its HTTP. Raises AlreadyRunning, DatabaseDown, SetupError."""
    with one_error():
        async with (
            database_of(settings, alone=True) as database,
            engines_of(settings) as engines,
            assembled(settings, site, database, engines) as services,
        ):
            yield services


def weights_of(settings: Settings, recogniser: Recogniser, chat_kind: str) -> list[dict[str, Any]]:
    """The catalogue and what was fetched besides, as `GET /models` shows it."""
    store = ModelStore(settings.models)
    in_use = {SMART_TURN.name}
    loading = None
    if isinstance(recogniser, ChangingRecogniser):
        in_use.add(recogniser.name)
        loading = recogniser.loading
    if chat_kind == EmbeddedChatModel.kind:
        in_use.add(settings.chat_model)
    rows = [
        {
            "name": known.name,
            "use": known.use,
            "about": known.about,
            "licence": known.licence,
            "installed": store.is_complete(known),
            "in_use": known.name in in_use,
            "loading": known.name == loading,
            "bytes": known.size,
        }
        for known in CATALOGUE
    ]
    for folder in store.root.glob("*--*"):
        name = folder.name.replace("--", "/", 1)
        if all((folder / file).is_file() for file in FILES):
            size = sum(file.stat().st_size for file in folder.iterdir())
            row = {"name": name, "use": "speech", "about": "", "licence": "", "installed": True}
            rows.append(
                {**row, "in_use": name in in_use, "loading": name == loading, "bytes": size}
            )
    return rows


def fetching(settings: Settings, chat: ChatModel) -> Fetch:
    """How models come: into the store, or into the Ollama that answers."""
    store = ModelStore(settings.models)

    async def fetch(use: str, name: str, progress: Progress) -> None:
        if use == "speech":
            await in_thread(lambda: pull_speech(name, store, progress))
        elif use == "chat" and isinstance(chat, OllamaChatModel):
            await pull_by_ollama(chat, name, progress)
        else:
            wanted = model(name)
            await in_thread(lambda: store.pull(wanted, progress))

    return fetch


async def pull_by_ollama(ollama: OllamaChatModel, name: str, progress: Progress) -> None:
    """Raises ModelDown."""
    started, done = False, 0
    try:
        async with aclosing(ollama.pull(name)) as steps:
            async for step in steps:
                if step.total and not started:
                    progress.start(name, step.total)
                    started = True
                if started:
                    progress.advance(max(0, step.completed - done))
                    done = max(done, step.completed)
    finally:
        if started:
            progress.finish()


@asynccontextmanager
async def _warming(
    parts: Mapping[str, Callable[[], Awaitable[None]]], openers: Openers
) -> AsyncIterator[None]:
    """Load the parts one after another while the block runs: together they would only be slower,
    and the recogniser is wanted first. Then, at idle, what replies begin with."""

    async def warm() -> None:
        for name, ready in parts.items():
            try:
                await ready()
            except KaiwaError as error:
                log.warning("part_not_ready", part=name, reason=error.message)
            except Exception:
                log.exception("part_not_ready", part=name)
        await contained(openers.run, "openers")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(warm())
        try:
            yield
        finally:
            task.cancel()


def _process_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
