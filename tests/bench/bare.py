"""Servers that do nothing, as a measure of the wire: `python -m tests.bench.bare http|zmq`.

http is uvicorn with httptools and uvloop: it reads the body and answers a constant. zmq is a
ROUTER that sends back what comes. Prints {"port": ..}; ends with its standard input.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import zmq

_ANSWER = (
    b'{"response_op":"ok","identity":"bare","applied":true,"generation_number":1764000000,'
    b'"nr_rows":10}'
)
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_ANSWER)),
    ],
}
_BODY = {"type": "http.response.body", "body": _ANSWER}

_Message = MutableMapping[str, Any]


async def _app(
    scope: _Message,
    receive: Callable[[], Awaitable[_Message]],
    send: Callable[[_Message], Awaitable[None]],
) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send(_BODY)


def _end_with_input() -> None:
    """A server without state needs no farewell."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve until the standard input ends."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    if sys.argv[1] == "http":
        made = socket.create_server(("127.0.0.1", 0), backlog=1024)
        print(json.dumps({"port": made.getsockname()[1]}), flush=True)
        config = uvicorn.Config(
            _app,
            http="httptools",
            loop="uvloop",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
        )
        uvicorn.Server(config).run([made])
        return
    router = zmq.Context.instance().socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    print(json.dumps({"port": port}), flush=True)
    while True:
        router.send_multipart(router.recv_multipart())


if __name__ == "__main__":
    main()
