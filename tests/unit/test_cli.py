"""The command line is a contract: what it prints, where, and how it ends."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jwt
import pytest
import structlog
import typer
from typer.main import get_command
from typer.testing import CliRunner

from kaiwa import __version__
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.cli import cli, main
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import KaiwaError
from kaiwa.models.catalogue import CATALOGUE, Model
from kaiwa.models.hub import HuggingFaceSource
from kaiwa.models.source import ModelFile

COMMANDS = [
    (),
    ("serve",),
    ("token",),
    ("user",),
    ("user", "list"),
    ("user", "add"),
    ("user", "password"),
    ("user", "sign-out"),
    ("models",),
    ("models", "list"),
    ("models", "pull"),
    ("asr-server",),
    ("transcribe",),
    ("backup",),
    ("restore",),
    ("rehear",),
    ("doctor",),
    ("bench",),
]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without settings or weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("KAIWA_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield tmp_path
    structlog.reset_defaults()  # `serve` made it write to a standard error that is closed by now


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of the whole program."""
    monkeypatch.setattr(sys, "argv", ["kaiwa", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output and len(result.output.splitlines()) > 5


@pytest.mark.parametrize(
    ("command", "default"),
    [("serve", "8600"), ("asr-server", "as serve: whisper-base"), ("rehear", "the talk's")],
)
def test_defaults_are_told(command: str, default: str) -> None:
    assert f"[default: ({default})]" in CliRunner().invoke(cli, [command, "--help"]).output


def test_no_command_is_left_out_here() -> None:
    def found(command: typer.core.TyperGroup, path: tuple[str, ...]) -> set[tuple[str, ...]]:
        names = {path}
        for name, inner in command.commands.items():
            group = isinstance(inner, typer.core.TyperGroup)
            names |= found(inner, (*path, name)) if group else {(*path, name)}  # type: ignore[arg-type]
        return names

    group = get_command(cli)
    assert isinstance(group, typer.core.TyperGroup)
    assert found(group, ()) == set(COMMANDS)


def test_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_token_is_printed_and_nothing_else(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(monkeypatch, "token", "--user", "まり") == 1
    refused = capfd.readouterr()
    assert refused.out == "" and "--create" in refused.err
    assert run(monkeypatch, "token", "--user", "まり", "--create") == 0
    printed = capfd.readouterr()
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", printed.out)
    assert printed.err == ""
    claims = jwt.decode(printed.out.strip(), options={"verify_signature": False})
    assert claims["name"] == "まり"
    assert run(monkeypatch, "token", "--user", "まり") == 0
    assert run(monkeypatch, "user", "list") == 0
    assert capfd.readouterr().out.splitlines()[-1] == "まり"


def test_a_name_is_taken_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    runner = CliRunner()
    assert runner.invoke(cli, ["user", "add", "Ken"], input="battery staple\n").exit_code == 0
    monkeypatch.setattr("kaiwa.cli_users._ask_password", lambda: "battery staple")
    assert run(monkeypatch, "user", "add", "ken") == 1
    assert capsys.readouterr().err == "kaiwa: the name ken is taken\n"
    assert run(monkeypatch, "user", "password", "nobody") == 1
    assert capsys.readouterr().err == "kaiwa: nobody here is called nobody\n"
    assert run(monkeypatch, "user", "password", "Ken") == 0


def test_somebody_is_signed_out_everywhere(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sessions() -> int:
        async with Database.open(database_url) as database:
            accounts = PostgresAccounts(database)
            found = await accounts.credentials("ken")
            assert found is not None
            return len(await accounts.sessions(found.user.id))

    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(monkeypatch, "token", "--user", "Ken", "--create") == 0
    assert asyncio.run(sessions()) == 1
    assert run(monkeypatch, "user", "sign-out", "Ken") == 0
    assert asyncio.run(sessions()) == 0
    capsys.readouterr()
    assert run(monkeypatch, "user", "sign-out", "nobody") == 1
    assert capsys.readouterr().err == "kaiwa: nobody here is called nobody\n"


def test_what_cannot_be_heard_again_says_why(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def talk() -> str:
        async with Database.open(database_url) as database:
            mari = await PostgresAccounts(database).register("まり", None)
            return (await PostgresTalks(database).create(mari, TalkSettings(), None)).id

    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(monkeypatch, "rehear", "nowhere") == 1
    assert "no such talk" in capsys.readouterr().err
    assert run(monkeypatch, "rehear", asyncio.run(talk())) == 1
    assert "no sound of this talk was kept" in capsys.readouterr().err


def test_a_talk_is_heard_again_by_the_recogniser_of_its_data_folder(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    nowhere: Path,
) -> None:
    async def talk() -> str:
        async with Database.open(database_url) as database:
            mari = await PostgresAccounts(database).register("まり", None)
            return (await PostgresTalks(database).create(mari, TalkSettings(), None)).id

    async def found(*_: object) -> None:
        """Something was recorded."""

    def refused(name: str) -> None:
        raise KaiwaError(f"asked for {name}")

    (nowhere / "data").mkdir()
    (nowhere / "data" / "asr-model").write_text("whisper-small")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr("kaiwa.rehearing.Rehearing.open", found)
    monkeypatch.setattr("kaiwa.cli._embedded_recogniser", refused)
    assert run(monkeypatch, "rehear", asyncio.run(talk()), "--data", "data") == 1
    assert capsys.readouterr().err == "kaiwa: asked for whisper-small\n"


ERRORS = [
    (("serve", "--port", "70000"), "port"),
    (("serve", "--cert", "nowhere.pem", "--key", "nowhere.pem"), "there is no file nowhere.pem"),
    (("serve", "--cert", __file__, "--key", __file__), f"{__file__} and {__file__}"),
    (("serve", "--host", "0.0.0.0"), "without TLS"),  # noqa: S104
    (("serve", "--host", "::"), "--behind-proxy"),
    (("serve", "--behind-proxy", "talk.example"), "https://host"),
    (("serve", "--behind-proxy", "https://talk.example/kaiwa"), "https://host"),
    (("models", "pull", "no-such-model"), "kaiwa has no model no-such-model"),
    (("asr-server", "--language", "japanese"), "auto or a code such as ja"),
    (("transcribe", "nowhere.wav"), "there is no file nowhere.wav"),
    (("transcribe", "."), "cannot be read: Is a directory"),
    (("transcribe", "-", "--format", "doc"), "txt, srt, vtt, json"),
]


@pytest.mark.parametrize(("arguments", "reason"), ERRORS)
def test_an_error_is_one_line_and_status_1(
    arguments: tuple[str, ...],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kaiwa.cli.pull_needed", lambda settings: None)
    assert run(monkeypatch, *arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("kaiwa: ") and printed.err.count("\n") == 1
    assert reason in printed.err


def test_a_database_that_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nowhere: Path
) -> None:
    for url in ("nonsense", f"postgresql://nobody@/nothing?host={nowhere}"):
        monkeypatch.setenv("DATABASE_URL", url)
        for command in (("user", "list"), ("restore", "kaiwa.backup")):
            assert run(monkeypatch, *command) == 1
            printed = capsys.readouterr()
            assert printed.err.startswith("kaiwa: ") and printed.err.count("\n") == 1


def test_a_data_folder_that_cannot_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nowhere: Path
) -> None:
    (nowhere / "file").touch()
    monkeypatch.setattr("kaiwa.cli.pull_needed", lambda settings: None)
    for command in (("user", "list"), ("serve", "--tls"), ("serve", "--no-open")):
        assert run(monkeypatch, *command, "--data", "file/data") == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("kaiwa: ") and printed.err.count("\n") == 1
        assert str(nowhere / "file") in printed.err


def test_a_folder_without_talks_is_not_backed_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nowhere: Path
) -> None:
    assert run(monkeypatch, "backup", "kaiwa.backup", "--data", "mistyped") == 1
    assert f"no database in {nowhere / 'mistyped'}" in capsys.readouterr().err
    assert list(nowhere.iterdir()) == []


def test_a_file_of_settings_that_is_broken_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nowhere: Path
) -> None:
    (nowhere / "kaiwa.toml").write_text("port = = 1")
    assert run(monkeypatch, "models", "list") == 1
    assert capsys.readouterr().err.startswith("kaiwa: kaiwa.toml cannot be read")


def test_a_pull_mends_weights_that_were_damaged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nowhere: Path
) -> None:
    def fetch(self: object, files: Sequence[ModelFile], parts: Path, advance: object) -> None:
        for file in files:
            (parts / file.name).write_bytes(b"weights")

    digest = hashlib.sha256(b"weights").hexdigest()
    source = HuggingFaceSource("owner/tiny", "abc")
    tiny = Model("tiny", "speech", "", "MIT", (ModelFile("model.bin", digest, 7),), (source,))
    monkeypatch.setattr("kaiwa.models.catalogue.CATALOGUE", (tiny,))
    monkeypatch.setattr(HuggingFaceSource, "fetch", fetch)
    assert run(monkeypatch, "models", "pull", "tiny") == 0
    weights = nowhere / "models" / "tiny" / "model.bin"
    weights.write_bytes(b"wreckage"[:7])
    assert run(monkeypatch, "models", "pull", "tiny") == 0
    assert weights.read_bytes() == b"weights"
    assert "not what its publisher published" in capsys.readouterr().err


def test_the_models_are_listed_with_their_licence() -> None:
    result = CliRunner().invoke(cli, ["models", "list"])
    assert result.exit_code == 0
    for known in CATALOGUE:
        assert known.name in result.output and known.licence in result.output
