"""Everything a site can choose, read once: environment `KAIWA_*`, then `kaiwa.toml`, then this."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kaiwa.errors import SetupError

DEFAULT_PORT = 8600
_PORTS = {"http": 80, "https": 443}
_SCHEMES = {
    "bus_url": ("nats", "tls"),
    "asr_url": ("tcp",),
    "llm_url": ("http", "https"),
    "voicevox_url": ("http", "https"),
    "speech_url": ("http", "https"),
}
CHOSEN_RECOGNISER = "asr-model"
"""File of the data folder: the weights that were chosen on the page."""
OLLAMA_USUAL_URL = "http://127.0.0.1:11434"


class Settings(BaseSettings):
    """One frozen set of choices for the life of a process."""

    model_config = SettingsConfigDict(
        env_prefix="KAIWA_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        toml_file="kaiwa.toml",
        env_ignore_empty=True,
    )

    data: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("kaiwa")))
    models: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("kaiwa")) / "models"
    )
    database_url: str = Field("", validation_alias=AliasChoices("DATABASE_URL", "database_url"))

    bus_url: str = Field(
        "", description="nats://host:4222, the wake-ups of many processes; empty: PostgreSQL's own"
    )

    host: str = "127.0.0.1"
    port: int = Field(DEFAULT_PORT, ge=1, le=65535)
    behind_proxy: str = Field("", description="the origin that browsers see, https://host[:port]")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    registration: bool = Field(True, description="whether strangers may make an account")

    asr_url: str = Field("", description="tcp://host:43001; empty: the embedded recogniser")
    asr_model: str = Field(
        "whisper-base",
        description="of `kaiwa models list`, a folder, or owner/name on the Hugging Face Hub",
    )
    whisper_host: str = Field(
        "", validation_alias=AliasChoices("WHISPER_HOST", "whisper_host"), repr=False
    )
    whisper_port: int = Field(
        43001,
        ge=1,
        le=65535,
        validation_alias=AliasChoices("WHISPER_PORT", "whisper_port"),
        repr=False,
    )

    llm_url: str = Field(
        "", description="an OpenAI-compatible server or an Ollama; empty: found or embedded"
    )
    llm_key: str = Field("", repr=False)
    llm_model: str = ""
    llm_think: bool = False
    speculation: bool = Field(
        True, description="whether a reply is begun while the person may only be pausing"
    )
    chat_model: str = Field(
        "qwen2.5-coder-1.5b-instruct", description="the weights of the embedded chat model"
    )

    voicevox_url: str = Field("", description="VOICEVOX ENGINE, AivisSpeech: http://host:50021")
    speech_url: str = Field("", description="an OpenAI-compatible speech server")
    speech_key: str = Field("", repr=False)
    speech_model: str = "tts-1"
    speech_voices: Annotated[tuple[str, ...], NoDecode] = ("alloy",)

    max_capture_hours: float = Field(12.0, gt=0)
    max_upload_mb: int = Field(2_000, gt=0)
    max_streams_per_user: int = Field(8, gt=0)

    @field_validator("data", "models")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()  # children run in folders of their own

    @field_validator(*_SCHEMES)
    @classmethod
    def _address(cls, value: str, field: ValidationInfo) -> str:
        schemes = _SCHEMES[field.field_name or ""]
        parts = urlsplit(value)
        port = parts.port  # raises ValueError where it is none
        whole = parts.scheme in schemes and parts.hostname and (port or schemes != ("tcp",))
        if value and not whole:
            raise ValueError(f"must be {' or '.join(f'{each}://host:port' for each in schemes)}")
        return value

    @field_validator("behind_proxy")
    @classmethod
    def _origin(cls, value: str) -> str:
        """As browsers write it: lower case, without the scheme's own port."""
        if not value:
            return ""
        parts = urlsplit(value)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise ValueError("must be the origin that browsers see: https://host[:port]")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        own_port = parts.port in (None, _PORTS[parts.scheme])
        return f"{parts.scheme}://{host}" + ("" if own_port else f":{parts.port}")

    @field_validator("allowed_hosts", "speech_voices", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def recogniser_model(self) -> str:
        """`asr_model` if it was given, else what the machine's owner chose on the page."""
        chosen = self.data / CHOSEN_RECOGNISER
        if "asr_model" in self.model_fields_set or not chosen.is_file():
            return self.asr_model
        return chosen.read_text(encoding="utf-8").strip() or self.asr_model

    @property
    def recogniser_address(self) -> tuple[str, int] | None:
        """Host and port of a recogniser over TCP, or None for the embedded one."""
        if self.asr_url:
            address = urlsplit(self.asr_url)
            return address.hostname or "", address.port or 0
        if self.whisper_host:
            return self.whisper_host, self.whisper_port
        return None


def read_settings(**given: object) -> Settings:
    """The settings, with what the command line gave on top (None: not given).

    Raises SetupError in one line that names each wrong value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
        )
        raise SetupError(f"wrong settings: {wrong}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"kaiwa.toml cannot be read: {error}") from error
