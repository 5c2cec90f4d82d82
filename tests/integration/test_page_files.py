"""What a browser gets of the page, and when."""

from __future__ import annotations

import re

from kaiwa.web.page import STATIC
from tests.integration.house import House

LATER = ("settings", "models", "account", "members", "share", "inside", "preferences")


async def test_a_first_visit_gets_what_it_shows_and_under_150_kb_of_script(home: House) -> None:
    async with home.client() as http:
        index = (await http.get("/")).text
        announced = re.findall(r'rel="modulepreload" href="(/static/[^"]+)"', index)
        names = {path.split("/", 3)[3] for path in announced}
        assert {"js/main.js", "js/views/transcript.js", "js/audio/capture.js"} <= names
        assert not names & {f"js/views/{name}.js" for name in LATER}
        root = announced[0].rpartition("/js/")[0]
        everything = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")]
        sent = 0
        for name in [*everything, "js/strings.json"]:
            async with http.stream("GET", f"{root}/{name}") as answer:
                assert answer.status_code == 200, name
                sent += int(answer.headers["content-length"])
        assert sent < 150_000


async def test_all_styles_come_in_one_request_in_their_order(home: House) -> None:
    async with home.client() as http:
        index = (await http.get("/")).text
        (path,) = re.findall(r'rel="stylesheet" href="(/static/[^"]+)"', index)
        served = (await http.get(path)).text
    linked = re.findall(r'href="/static/(css/[^"]+)"', (STATIC / "index.html").read_text())
    assert len(linked) == len(list((STATIC / "css").iterdir()))
    assert served == "".join((STATIC / name).read_text() for name in linked)


async def test_comments_and_indentation_stay_at_home_and_lines_keep_their_numbers(
    home: House,
) -> None:
    async with home.client() as http:
        index = (await http.get("/")).text
        root = index.partition("/js/main.js")[0].rpartition('"')[2]
        source = (STATIC / "js/core/state.js").read_text()
        served = (await http.get(f"{root}/js/core/state.js")).text
    assert "One talk as its reader sees it" in source
    assert "One talk as its reader sees it" not in served
    assert len(served) < 0.8 * len(source)
    lines = [i for i, line in enumerate(source.splitlines()) if line.startswith("export function")]
    assert lines == [
        i for i, line in enumerate(served.splitlines()) if line.startswith("export function")
    ]


def test_no_template_literal_is_longer_than_a_line() -> None:
    lines = [line for path in STATIC.rglob("*.js") for line in path.read_text().splitlines()]
    assert [line for line in lines if line.count("`") % 2] == []
