"""One contract for both engines of Whisper; CTranslate2's runs on the processor here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from kaiwa.adapters.asr_whisper.ctranslate2_engine import CTranslate2Engine
from kaiwa.adapters.asr_whisper.engine import NO_DRAFT, Decode, Draft, Engine, context_s, seconds
from kaiwa.adapters.asr_whisper.onnx_engine import OnnxEngine
from kaiwa.domain.audio import SAMPLE_RATE, Samples
from kaiwa.policy.agreement import fold
from tests.fakes.speech import english, japanese
from tests.fakes.weights import whisper_base

pytestmark = pytest.mark.real

JAPANESE = "今日はとてもいい天気ですね。"
ENGLISH = "What is the capital of Japan?"


@pytest.fixture(scope="module", params=["onnx", "ctranslate2"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "onnx":
        yield OnnxEngine(whisper_base(), threads=2)
    else:
        yield CTranslate2Engine(whisper_base(), device="cpu")


def decode(
    engine: Engine, sound: Samples, language: str, *, prompt: str = "", draft: Decode | None = None
) -> Decode:
    return engine.decode(
        engine.encode(sound, context_s(seconds(sound))),
        language=language,
        prompt=prompt,
        draft=Draft(draft.tokens) if draft else NO_DRAFT,
        max_tokens=100,
        speech_s=seconds(sound),
    )


def test_it_says_what_was_said(engine: Engine) -> None:
    assert "天気" in decode(engine, japanese(JAPANESE), "ja").text
    assert "capital of japan" in decode(engine, english(ENGLISH), "en").text.lower()


def test_it_tells_the_language(engine: Engine) -> None:
    assert engine.multilingual
    for sound, language in ((japanese(JAPANESE), "ja"), (english(ENGLISH), "en")):
        code, probability = engine.languages(engine.encode(sound, 8.0))[0]
        assert code == language
        assert probability > 0.5


def test_words_are_in_order_within_the_sound_and_make_the_text(engine: Engine) -> None:
    sound = english(ENGLISH)
    said = decode(engine, sound, "en")

    assert "".join(word.text for word in said.words).strip() == said.text
    assert [word.start_ms for word in said.words] == sorted(word.start_ms for word in said.words)
    assert all(word.start_ms <= word.end_ms for word in said.words)
    assert all(0 < word.probability <= 1 for word in said.words)
    assert said.words[-1].end_ms <= seconds(sound) * 1000 + 40
    assert said.words[-1].start_ms > seconds(sound) * 1000 / 2


def test_doubt_is_told_of_each_character_or_of_none(engine: Engine) -> None:
    for language, sound in (("ja", japanese(JAPANESE)), ("en", english(ENGLISH))):
        said = decode(engine, sound, language)
        assert len(said.confidence) in (0, len(said.text))
        assert all(0 < each <= 1 for each in said.confidence)


def test_a_draft_changes_nothing(engine: Engine) -> None:
    sound = japanese(JAPANESE)
    said = decode(engine, sound, "ja")
    other = decode(engine, english(ENGLISH), "en")

    assert fold(decode(engine, sound, "ja", draft=said).text) == fold(said.text)
    assert fold(decode(engine, sound, "ja", draft=other).text) == fold(said.text)


def test_a_word_is_as_likely_with_a_draft_as_without(engine: Engine) -> None:
    sound = english(ENGLISH)
    alone = decode(engine, sound, "en")
    drafted = decode(engine, sound, "en", draft=alone)

    assert [word.probability for word in drafted.words] == pytest.approx(
        [word.probability for word in alone.words], abs=0.15
    )


@pytest.mark.parametrize("heard_before_s", [0.5, 1.5])
def test_what_was_heard_before_need_not_be_heard_again(
    engine: Engine, heard_before_s: float
) -> None:
    for language, sound in (("ja", japanese(JAPANESE)), ("en", english(ENGLISH))):
        before = None
        for until in range(round(heard_before_s * SAMPLE_RATE), len(sound), SAMPLE_RATE // 4):
            part = sound[:until]
            before = engine.encode(part, context_s(seconds(part), partial=True), before=before)
        said = engine.decode(
            engine.encode(sound, context_s(seconds(sound), partial=True), before=before),
            language=language,
            prompt="",
            draft=NO_DRAFT,
            max_tokens=100,
            speech_s=None,
        )
        assert fold(said.text) == fold(decode(engine, sound, language).text)


def test_less_sound_than_was_heard_before_is_no_matter(engine: Engine) -> None:
    sound = japanese(JAPANESE)
    before = engine.encode(sound, context_s(seconds(sound)))
    part = sound[: len(sound) // 2]
    engine.encode(part, context_s(seconds(part)), before=before)


def test_a_stopped_decode_ends_or_is_none_the_worse(engine: Engine) -> None:
    sound = japanese(JAPANESE)
    stopper = engine.stopper()
    stopper.terminate = True
    with suppress(Exception):  # the runtime's own, which has no name
        engine.encode(sound, context_s(seconds(sound)), stopper=stopper)
    assert "天気" in decode(engine, sound, "ja").text


def test_a_prompt_is_context_and_no_text(engine: Engine) -> None:
    said = decode(engine, japanese(JAPANESE), "ja", prompt="天気の話です。")

    assert "天気" in said.text
    assert "話" not in said.text


def test_the_cap_ends_a_text(engine: Engine) -> None:
    sound = japanese(JAPANESE)
    said = engine.decode(
        engine.encode(sound, 8.0),
        language="ja",
        prompt="",
        draft=NO_DRAFT,
        max_tokens=3,
        speech_s=None,
    )
    assert said.capped
    assert len(said.tokens) == 3
    assert said.words == ()


def test_a_folder_with_another_model_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(b"\6\0\0\0\4\0abc\0\1\0\0\0\0\0\0\0")
    with pytest.raises(ValueError, match="no Whisper model"):
        OnnxEngine(folder, threads=1)
