"""What the OpenAPI describes holds for inputs that nobody thought of."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from kaiwa.web.attempts import Attempts
from tests.integration.house import house

EXAMPLES: Final = 8  # of each operation and kind of input
SEED: Final = 20261123
BUDGET_S: Final = 60.0
APART: Final = {
    "/stream": "has no end",
    "/talks/{talk_id}/stream": "has none either, and takes sound: tests/contract/test_decoder.py",
    "/readyz": "may say 503, which is what it is for",
    "/models/try/speech": "takes sound: tests/integration/test_models.py",
    "/models/try/chat": "says 503 of a model that is not there",
    "/auth/logout": "ends the session of everything after it",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_no_input_is_the_servers_fault(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("take", "take_registration"):
        monkeypatch.setattr(Attempts, limit, lambda *_: None)
    async with house(database_url) as home, home.guest("まり") as mari:
        talk = await mari.new_talk()
        schema = (await mari.http.get("/openapi.json")).json()
        headers = {"authorization": mari.http.headers["authorization"]}
        await asyncio.to_thread(try_out, schema, home.url, headers, talk)


def try_out(schema: dict[str, Any], url: str, headers: dict[str, str], talk: str) -> None:
    """Every operation with inputs that fit it and inputs that do not, on a talk that is there."""
    loaded = schemathesis.openapi.from_dict(schema)
    until = time.monotonic() + BUDGET_S
    for found in loaded.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in APART:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_operation(operation.as_strategy(generation_mode=mode), url, headers, talk, until)


def try_operation(cases: Any, url: str, headers: dict[str, str], talk: str, until: float) -> None:
    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=cases)
    def attempt(case: Any) -> None:
        if time.monotonic() > until:
            return
        if "talk_id" in case.path_parameters and case.method != "DELETE":
            case.path_parameters["talk_id"] = talk
        response = case.call(base_url=url, headers=headers, timeout=20)
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with no input
        attempt()
