"""How soon the page makes a reply quiet when somebody speaks over it, in a real Chromium.

    python -m bench.ducking [--rounds 3]

A `kaiwa serve` of its own, a long English reply, and a microphone that says "Yeah." over it. The
microphone, the clip and what leaves the page are tapped on the page's one AudioContext, so that all
times are of one clock: from the first voiced block of a word (-45 dB) to the first block in which
what leaves is QUIETER_DB below the clip. Blocks are 5 ms long. "Yeah." is said several times; those
words count that begin while the clip is loud.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, sync_playwright
from tests.browser.chromium import hearing, launch, write_recording
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, Visitor, visitor
from tests.fakes.speech import english

from kaiwa.domain.audio import SAMPLE_RATE, Samples

SAID = "Yeah."
ASKED = "Tell me a long story about a fox and a crow, in at least ten sentences."
QUIETER_DB = 20.0
VOICED_DB = -45.0
LOUD = 1e-5  # power of a block of the clip in which its fall can be measured
AROUND_S = 0.3
WORDS, APART_S = 8, 2.5
POLL_MS = 100

Blocks = npt.NDArray[np.float64]
TAPS = """
(() => {
  const connect = AudioNode.prototype.connect;
  const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const taps = (context) => {
    if (context.taps) return context.taps;
    const merger = context.createChannelMerger(3);
    const meter = context.createScriptProcessor(256, 3, 1);
    const power = (wave) => wave.reduce((sum, x) => sum + x * x, 0) / wave.length;
    meter.onaudioprocess = ({ inputBuffer, playbackTime }) =>
      blocks.push([playbackTime, ...[0, 1, 2].map((n) => power(inputBuffer.getChannelData(n)))]);
    connect.call(merger, meter);
    connect.call(meter, context.destination);
    return (context.taps = merger);
  };
  window.blocks = [];
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioNode && this.context instanceof AudioContext) {
      const clip = this instanceof AudioBufferSourceNode;
      const leaves = target === this.context.destination;
      if (clip || leaves) {
        window.playing = this.context;
        connect.call(this, taps(this.context), 0, clip ? 1 : 2);
      }
    }
    return connect.call(this, target, ...rest);
  };
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await getUserMedia(wanted);
    if (window.playing) {
      const copy = window.playing.createMediaStreamSource(stream.clone());
      connect.call(copy, taps(window.playing), 0, 0);
    }
    return stream;
  };
})();
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        recording = write_recording(Path(folder) / "said.wav", again_and_again(english(SAID)))
        server = KaiwaServer(Path(folder) / "data")
        server.start()
        server.wait_until_ready()
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright, *hearing(recording))
                found = [ms for n in range(rounds) for ms in one_round(browser, server, n)]
                browser.close()
        finally:
            server.stop()
    print(f"median of {len(found)}: {statistics.median(found or [float('nan')]):.0f} ms")


def again_and_again(word: Samples) -> Samples:
    rest = np.zeros(int(APART_S * SAMPLE_RATE) - len(word), np.int16)
    return np.tile(np.concatenate([word, rest]), WORDS)


def one_round(browser: Browser, server: KaiwaServer, number: int) -> list[float]:
    token = server.token(f"visitor-{number}")
    with server.client(token) as http:
        talk = http.post("/talks", json={"language": "en", "voice": "hibari:heart"}).json()["id"]
        http.post("/auth/register", json={"name": f"guest-{number}", "password": "a long password"})
        http.post(f"/talks/{talk}/members", json={"name": f"guest-{number}", "role": "speaker"})
    with visitor(browser, base_url=server.url) as page:
        page.page.add_init_script(TAPS)
        page.open(f"/#/talks/{talk}")
        page.sign_in(f"guest-{number}", "a long password")
        page.wait_until_live()
        page.type(ASKED)
        page.ask()
        until(page, "window.blocks.some(([, , clip]) => clip > 1e-5)")
        page.open_microphone()
        page.page.wait_for_timeout(WORDS * APART_S * 1_000)
        blocks = np.array(page.page.evaluate("window.blocks"))
    found = ducked_after_ms(blocks)
    print(*(f"{ms:.0f} ms" for ms in found), flush=True)
    return found


def until(page: Visitor, holds: str) -> None:
    """Until an expression is true; the page's policy lets nobody evaluate it there."""
    for _ in range(MODEL_MS // POLL_MS):
        if page.page.evaluate(holds):
            return
        page.page.wait_for_timeout(POLL_MS)
    raise SystemExit(f"this did not come: {holds}")


def ducked_after_ms(blocks: Blocks) -> list[float]:
    """`blocks`: (time, power of the microphone, of the clip, of what leaves the page). For each
    word that begins while the clip is loud."""
    time, microphone, clip, leaves = blocks.T
    voiced = time[microphone > 10 ** (VOICED_DB / 10)]
    begins = voiced[np.diff(voiced, prepend=-np.inf) > APART_S / 2]
    loud = clip > LOUD
    quiet = time[loud & (leaves < clip * 10 ** (-QUIETER_DB / 10))]
    found = []
    for began in begins:
        before = loud & (time > began - AROUND_S) & (time <= began)
        after = quiet[(quiet > began) & (quiet < began + APART_S / 2)]
        if before.any() and len(after):
            found.append(float(1_000 * (after[0] - began)))
    return found


if __name__ == "__main__":
    main()
