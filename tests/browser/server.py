"""`kaiwa serve` as people run it: a process of its own, with real models."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx

START_S: Final = 120.0  # loading weights from a cold disk
END_S: Final = 30.0
_POLL_S: Final = 0.1


class KaiwaServer:
    """Starts, stops and dies on one data folder and one port."""

    def __init__(self, data: Path, *, tls: bool = False) -> None:
        self.data = data
        self.tls = tls
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when it answers; its models may still be loading."""
        self._door.unlink(missing_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "kaiwa", "serve", "--no-open", "--data", str(self.data)]
        command += ["--port", str(self._port), *(["--tls"] if self.tls else [])]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_for(self._door.exists, "the page's door")

    def wait_until_ready(self) -> None:
        """Until every model is loaded."""
        with self.client() as http:
            self._wait_for(lambda: http.get("/readyz").status_code == 200, "/readyz")

    def stop(self) -> None:
        """SIGTERM, and a clean end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end kaiwa in {END_S} s:\n{self.log}") from None
        assert status == 0, self.log
        assert "Traceback" not in self.log, self.log

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(END_S)

    def way_in(self) -> str:
        """The URL with the machine owner's one-time code, as the file that the browser opens has
        it."""
        found = re.search(r'href="([^"]+#code=[^"]+)"', self._door.read_text())
        assert found is not None
        return found[1]

    def token(self, name: str) -> str:
        """A bearer token, by the command line; the account is made if needed."""
        command = [sys.executable, "-m", "kaiwa", "token", "--data", str(self.data)]
        done = subprocess.run(
            [*command, "--user", name, "--create"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        verify: Any = True
        if self.tls:  # its own certificate, and no other
            verify = ssl.create_default_context(cafile=self.data / "tls" / "cert.pem")
        return httpx.Client(base_url=self.url, headers=headers, verify=verify, timeout=END_S)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def _log(self) -> Path:
        return self.data / "test.log"

    @property
    def _door(self) -> Path:
        return self.data / "open.html"

    def _wait_for(self, holds: Callable[[], bool], what: str) -> None:
        assert self._process is not None
        until = time.monotonic() + START_S
        while not holds():
            assert self._process.poll() is None, f"kaiwa ended at its start:\n{self.log}"
            assert time.monotonic() < until, f"{what} did not come in {START_S} s:\n{self.log}"
            time.sleep(_POLL_S)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
