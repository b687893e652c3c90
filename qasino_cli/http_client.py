"""The HTTP(S) client. httpx is imported here and nowhere else: it takes 40 ms.

httpx bounds each step, not the whole: headers and refusals that trickle are hung up on when time
is up, and the loop over a body looks at the clock, so that one that trickles does not outlast the
timeout by more than one step.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from qasino_cli import outgoing
from qasino_cli.answers import (
    Cadence,
    read_cadence,
    read_ok,
    read_receipt,
    read_refusal,
    read_result,
)
from qasino_cli.connection import Connection, gone_s
from qasino_cli.errors import (
    BrokenOff,
    NotLetIn,
    ServerRefused,
    ShortOfFiles,
    Unanswered,
    Unreachable,
)
from qasino_cli.reach import HOST_GONE, HOST_SILENT, find_address, no_answer, why_unreachable
from qasino_server.errors import StartError
from qasino_server.message import Query
from qasino_server.patience import probing
from qasino_server.table import Receipt, Result


@contextmanager
def _without_its_command() -> Iterator[None]:
    """httpx goes without its own command line where it cannot be imported, as it says it may.

    Where click and rich are installed for others it would bring them along: 40 ms more.
    """
    command = "httpx._main"
    if command in sys.modules:
        yield
        return
    sys.modules[command] = None  # type: ignore[assignment]  # "not to be imported", says Python
    try:
        yield
    finally:
        del sys.modules[command]


with _without_its_command():
    import httpx

for _chatty in ("httpx", "httpcore"):  # they say something of every request
    logging.getLogger(_chatty).setLevel(logging.WARNING)

_DOUBT = re.compile(
    r"CERTIFICATE_VERIFY_FAILED\] certificate verify failed: (.*?)[.]?(?: \(_ssl|$)"
)


_ZEROMQ_BEGINS = b"\xff"
_REFUSES = "SQL error: "
"""How our refusals begin where they are text."""
_MOST_SAID = 100
"""As much as is repeated of what a stranger says."""
_MOST_REFUSAL_BYTES = 1 << 20  # ours are a sentence or two


class HttpClient:
    """A `Client` over HTTP or HTTPS."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http: httpx.Client | None = None
        self._wire: Any = None
        """The latest connection, as httpcore has it."""
        self._is_new = False
        """Whether nothing has been waited for on it yet."""
        self._request_bytes = 0
        """Of the latest request."""
        self._is_sending = False
        """Whether some of it has not gone yet."""

    def query(self, query: Query) -> Result:
        """The whole answer to one statement."""
        return read_result(self._post("query", outgoing.encode_query(query)), self._url)

    def stream(self, query: Query) -> Iterator[bytes] | None:
        """The answer in `query.format` as it comes."""
        return self._stream(query.format, outgoing.encode_query(query))

    def publish(self, message: bytes) -> Receipt:
        """Send a publication; the rows are stored when this returns."""
        return read_receipt(self._post("add_table_data", message), self._url)

    def drop(self, tablename: str, identity: str | None) -> str:
        """End a static or persistent table."""
        message = outgoing.encode_drop(tablename, identity)
        return read_ok(self._post("drop_table", message), self._url)

    def cancel(self, query_id: str) -> str:
        """Stop a query that runs on another connection."""
        return read_ok(self._post("cancel", outgoing.encode_cancel(query_id)), self._url)

    def cadence(self) -> Cadence:
        """When generations begin, also where nothing else is told us."""
        return read_cadence(self._post("health", outgoing.HEALTH), self._url)

    def close(self) -> None:
        """Close what connections are open."""
        if self._http is not None:
            self._http.close()
            self._http = None

    @property
    def _url(self) -> str:
        return self._connection.url

    def _post(self, op: str, body: bytes) -> bytes:
        """The whole body of the answer; a refusal is raised."""
        deadline = time.monotonic() + self._connection.timeout_s
        with self._translated():
            return b"".join(self._chunks({"op": op}, body, deadline))

    def _stream(self, form: str, body: bytes) -> Iterator[bytes]:
        """Chunks of a streamed answer, in as long as it takes to the end."""
        begun = False
        try:
            with self._translated():
                params = {"op": "query", "format": form}
                for chunk in self._chunks(params, body, None):
                    begun = True
                    yield chunk
        except Unreachable:
            if not begun:
                raise
            raise BrokenOff(
                "the answer broke off before its end: rows are missing; a slow link may need a"
                " longer --query-timeout of the server"
            ) from None

    def _chunks(
        self, params: dict[str, str], body: bytes, deadline: float | None
    ) -> Iterator[bytes]:
        self._request_bytes = len(body)
        client = self._client()
        request = client.build_request(
            "POST",
            "/request",
            params=params,
            content=body,
            headers={"Content-Type": "application/json"},
            extensions={"trace": self._traced},
        )
        headers_by = deadline or time.monotonic() + self._connection.timeout_s
        with self._hung_up_on(headers_by):
            response = client.send(request, stream=True)
        try:
            if response.status_code != 200:
                with self._hung_up_on(headers_by):
                    raise self._refusal(response)
            for chunk in response.iter_bytes():
                yield chunk
                self._check_clock(deadline)
        finally:
            response.close()

    def _check_clock(self, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise self._too_slow()

    def _traced(self, event: str, info: dict[str, Any]) -> None:
        if "send_request_body." in event:
            self._is_sending = not event.endswith(".complete")
        elif event.endswith("connect_tcp.started"):
            is_first, self._wire = self._wire is None, None
            self._see_that_it_resolves(is_first)
        elif event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._wire = info["return_value"]
            self._is_new = True
        elif event.endswith("receive_response_headers.started") and self._is_new:
            self._is_new = False
            self._check_language()

    def _see_that_it_resolves(self, is_first: bool) -> None:
        """Within a bound: httpx would wait for the resolver without one.

        That takes a thread. Where there is no room for it any more, a server that was reached
        before is reached again, and httpx asks the resolver by itself.
        """
        try:
            find_address(self._connection)
        except StartError:
            if is_first:
                raise

    def _check_language(self) -> None:
        """Wait for the first byte of an answer, and leave it there. Raises Unreachable for one
        that begins none of HTTP: ZeroMQ waits after its greeting, as httpx does for a whole line.
        """
        if self._connection.scheme != "http":
            return  # it is encrypted
        try:
            first = self._wire.get_extra_info("socket").recv(1, socket.MSG_PEEK)
        except OSError as error:
            if _is_due_to(_GONE, error):
                raise self._gone() from None
            if isinstance(error, TimeoutError):
                raise self._too_slow() from None
            return  # httpx meets with it as well
        if first == _ZEROMQ_BEGINS:
            other = msgspec.structs.replace(self._connection, scheme="zmq").url
            raise Unreachable(
                f"cannot reach {self._url}: what listens there speaks ZeroMQ, {other} asks it"
            )

    @contextmanager
    def _hung_up_on(self, deadline: float) -> Iterator[None]:
        """Break off what is received here when time is up. Raises Unanswered then."""
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), self._hang_up)
        timer.daemon = True
        with suppress(RuntimeError):  # no room for a thread: the bound of each step is left
            timer.start()
        try:
            yield
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if time.monotonic() < deadline:
                raise
            raise self._too_slow() from None
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        wire = None if self._wire is None else self._wire.get_extra_info("socket")
        if wire is not None:
            with suppress(OSError):  # it is closed
                # TLS has nothing to say about this, nor may it while another thread reads.
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def _refusal(self, response: httpx.Response) -> ServerRefused | Unreachable:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MOST_REFUSAL_BYTES:
                break
        refusal = read_refusal(body)
        if refusal is not None:
            return self._turned_away(response.status_code, refusal)
        is_text = response.headers.get("content-type", "").startswith("text/plain")
        text = body.decode(errors="replace").strip() if is_text else ""
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if text.startswith(_REFUSES):
            return ServerRefused(text.removeprefix(_REFUSES))
        if response.status_code in (401, 403):
            said = ServerRefused(f"{self._url} answers {status}")
            return self._turned_away(response.status_code, said)
        words = f": {text.splitlines()[0][:_MOST_SAID]}" if text else ""
        return Unreachable(f"{self._url} answers {status}, not as a Qasino server does{words}")

    def _turned_away(self, status: int, refusal: ServerRefused) -> ServerRefused:
        """A refusal; where it is because of who asks, with what to do about that."""
        connection, said = self._connection, refusal.sentence
        if status == 403:
            return NotLetIn(said)
        if status != 401:
            return refusal
        if connection.username is not None:
            return NotLetIn(f"{self._url} does not let {connection.username} in: {said}")
        if connection.token is not None:
            return NotLetIn(f"{self._url} does not take the token: {said}")
        return NotLetIn(
            f"{self._url} asks who you are: give -u USER (and --password-file, or keep the"
            " password in ~/.netrc) or --token-file"
        )

    def _client(self) -> httpx.Client:
        if self._http is None:
            self._http = self._open()
        return self._http

    def _open(self) -> httpx.Client:
        connection = self._connection
        user, token = connection.username, connection.token
        try:
            trust = _trust(connection)
        except ssl.SSLError:
            what = "there is no certificate in PEM in it"
            raise Unreachable(f"--ca-file {connection.ca_file}: {what}") from None
        except OSError as error:  # it was there when it was asked for, and a client lives long
            reason = (error.strerror or str(error)).lower()
            raise Unreachable(f"--ca-file {connection.ca_file}: {reason}") from None
        return httpx.Client(
            base_url=connection.url,
            auth=None if user is None else (user, connection.password or ""),
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            transport=httpx.HTTPTransport(
                verify=trust, trust_env=False, socket_options=probing(round(gone_s() * 1000))
            ),
            trust_env=False,  # the server itself is meant, not a proxy or a .netrc
            timeout=httpx.Timeout(connection.timeout_s, connect=connection.connect_timeout_s),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """httpx's errors as ours, once."""
        try:
            yield
        except httpx.ConnectTimeout:
            raise Unreachable(f"cannot reach {self._url}: {self._silence()}") from None
        except httpx.ConnectError as error:
            self.close()  # the next request reads --ca-file anew: it may have been renewed
            if _is_due_to(_SHORT_OF_FILES, error):
                what = os.strerror(errno.EMFILE).lower()
                raise ShortOfFiles(f"cannot reach {self._url}: {what}") from None
            raise Unreachable(f"cannot reach {self._url}: {self._reason(error)}") from None
        except httpx.HTTPError as error:
            if _is_due_to(_GONE, error):  # which may be a TimeoutError, as Python names it
                raise self._gone() from None
            if isinstance(error, httpx.TimeoutException):
                raise self._too_slow() from None
            raise Unreachable(f"{self._url} {_mishap(error)}") from None

    def _silence(self) -> str:
        """What was waited for in vain; to try it once more would take as long again."""
        if self._wire is None:
            return HOST_SILENT
        return f"no TLS server answers there within {self._connection.connect_timeout_s:g} s"

    def _reason(self, error: httpx.HTTPError) -> str:
        doubt = _DOUBT.search(str(error))
        if doubt is not None:
            remedy = "--ca-file names the authority that signed it"
            if "mismatch" in doubt[1]:  # of names, which no authority mends
                remedy = "ask for it by a name that the certificate has"
            return (
                f"its certificate cannot be verified: {doubt[1]}; {remedy}, --skip-ssl-verify"
                " takes any"
            )
        if "SSL" in str(error):
            return "what listens there does not speak TLS"
        try:
            _, address = find_address(self._connection)
        except StartError:  # no room for a thread, which only a name needs
            address = self._connection.host
        return why_unreachable(self._connection, address)

    def _gone(self) -> Unreachable:
        return Unreachable(f"{self._url} {HOST_GONE}")

    def _too_slow(self) -> Unanswered:
        return no_answer(self._connection, self._request_bytes, is_sent=not self._is_sending)


_SHORT_OF_FILES = (errno.EMFILE, errno.ENFILE)
_GONE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)
"""How TCP gives up on a connection that stood."""


def _is_due_to(numbers: tuple[int, ...], error: BaseException | None) -> bool:
    """Whether one of these is what happened; httpx's errors have that among their causes."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in numbers:
            return True
        error = error.__cause__ or error.__context__
    return False


def _mishap(error: httpx.HTTPError) -> str:
    """What happened to a connection that stood, as far as httpx tells."""
    words = str(error)
    closed = "disconnected" in words or "peer closed" in words
    if closed or isinstance(error, httpx.NetworkError):
        return "closed the connection without an answer"
    return "answered, but not in HTTP"


def _trust(connection: Connection) -> ssl.SSLContext | bool:
    """Whose certificates count; loading the system's takes 20 ms, and plain HTTP needs none."""
    if connection.scheme == "https" and connection.verify_tls:
        return ssl.create_default_context(cafile=connection.ca_file)
    return False
