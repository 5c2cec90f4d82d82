"""A holder of `bench.connections`: plain sockets that stay open and do nothing.

    python -m bench.connections_holder

reads from standard input what to open (port, source, count, asks, until), opens them, each with one
of the requests in turn and its answer as far as `until`, says "held", waits for a line, says how
many are still open, and ends.
"""

from __future__ import annotations

import json
import resource
import socket
import sys

PATIENCE_S = 120.0


def opened(port: int, source: str, asking: str, until: str) -> socket.socket:
    """Raises OSError."""
    plug = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))
    if asking:
        plug.sendall(asking.encode())
        answer = b""
        while until.encode() not in answer:
            came = plug.recv(4_096)
            if not came:
                raise ConnectionError(f"closed after {answer!r}")
            answer += came
    plug.setblocking(False)
    return plug


def is_open(plug: socket.socket) -> bool:
    try:
        while came := plug.recv(65_536):
            del came  # heartbeats
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def main() -> None:
    given = json.loads(sys.stdin.readline())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asks = given["asks"]
    plugs = [
        opened(given["port"], given["source"], asks[n % len(asks)], given["until"])
        for n in range(given["count"])
    ]
    print("held", flush=True)
    sys.stdin.readline()
    print(sum(map(is_open, plugs)), flush=True)


if __name__ == "__main__":
    main()
