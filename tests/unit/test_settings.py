"""What a site can choose, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kaiwa.errors import SetupError
from kaiwa.settings import DEFAULT_PORT, Settings, read_settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No kaiwa.toml and no environment but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "WHISPER_HOST", "WHISPER_PORT", "KAIWA_PORT", "KAIWA_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_it_works_without_a_choice() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", DEFAULT_PORT, "")
    assert settings.registration is True and settings.recogniser_address is None


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "kaiwa.toml").write_text('port = 1\nllm_model = "of the file"\nhost = "1.1.1.1"\n')
    monkeypatch.setenv("KAIWA_PORT", "2")
    monkeypatch.setenv("KAIWA_HOST", "2.2.2.2")
    settings = read_settings(port=3, host=None)
    assert (settings.port, settings.host, settings.llm_model) == (3, "2.2.2.2", "of the file")


def test_what_is_empty_was_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_PORT", "")
    assert read_settings().port == DEFAULT_PORT


def test_the_names_of_others_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/kaiwa")
    monkeypatch.setenv("WHISPER_HOST", "gpu")
    settings = read_settings()
    assert settings.database_url == "postgresql://db/kaiwa"
    assert settings.recogniser_address == ("gpu", 43001)
    monkeypatch.setenv("WHISPER_PORT", "43002")
    assert read_settings().recogniser_address == ("gpu", 43002)
    monkeypatch.setenv("KAIWA_ASR_URL", "tcp://nearer:1")
    assert read_settings().recogniser_address == ("nearer", 1)


@pytest.mark.parametrize(
    ("url", "address"),
    [("tcp://gpu:43001", ("gpu", 43001)), ("tcp://[::1]:9/", ("::1", 9))],
)
def test_a_recognisers_address(url: str, address: tuple[str, int]) -> None:
    assert read_settings(asr_url=url).recogniser_address == address


@pytest.mark.parametrize(
    ("name", "url"),
    [
        *(("asr_url", url) for url in ("gpu:43001", "tcp://gpu", "http://gpu:1", "tcp://:1")),
        *(("asr_url", url) for url in ("tcp://g:x", "tcp://g:99999", "tcp://g:²")),
        *(("llm_url", url) for url in ("localhost:11434", "http://[", "http://gpu:99999")),
        *(("voicevox_url", "127.0.0.1:50021"), ("speech_url", "ftp://gpu"), ("bus_url", "gpu")),
        ("bus_url", "nats://gpu:99999"),
    ],
)
def test_an_address_that_is_none_is_told_at_once(name: str, url: str) -> None:
    with pytest.raises(SetupError, match=f"{name}: .*(must be [a-z]+://host:port|Port|IPv6)"):
        read_settings(**{name: url})


def test_a_port_that_is_none_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_PORT", "70000")
    with pytest.raises(SetupError, match="WHISPER_PORT"):
        read_settings()


def test_allowed_hosts_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_ALLOWED_HOSTS", "Kaiwa.lan, talk.example ,")
    assert read_settings().allowed_hosts == ("kaiwa.lan", "talk.example")


def test_voice_names_keep_their_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_SPEECH_VOICES", "alloy, af_Heart")
    assert read_settings().speech_voices == ("alloy", "af_Heart")


def test_a_wrong_value_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_PORT", "70000")
    monkeypatch.setenv("KAIWA_REGISTRATION", "perhaps")
    with pytest.raises(SetupError) as caught:
        read_settings()
    assert "port" in caught.value.message and "registration" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_broken_file_is_said_in_one_line(nowhere: Path) -> None:
    for broken in (b"port = = 1", b"# \x89\xef\n"):  # the second: Shift_JIS
        (nowhere / "kaiwa.toml").write_bytes(broken)
        with pytest.raises(SetupError, match=r"kaiwa\.toml") as caught:
            read_settings()
        assert "\n" not in caught.value.message


def test_settings_do_not_change_and_hide_their_secrets() -> None:
    settings = Settings(llm_key="ひみつ")
    assert "ひみつ" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Kaiwa.Example/", "https://kaiwa.example"),
        ("https://kaiwa.example:443", "https://kaiwa.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_proxys_origin_is_what_browsers_write(given: str, origin: str) -> None:
    assert read_settings(behind_proxy=given).behind_proxy == origin


@pytest.mark.parametrize("given", ["kaiwa.example", "ftp://kaiwa.example", "https://a.example/b"])
def test_a_proxys_origin_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SetupError, match="origin that browsers see"):
        read_settings(behind_proxy=given)
