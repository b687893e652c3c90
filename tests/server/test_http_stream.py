"""A stream's own part: how what it holds counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

import pytest

from qasino_server.bridge import PORTION_BYTES, Mailbox
from qasino_server.errors import Busy
from qasino_server.http_stream import StreamSink
from qasino_server.replies import Reply
from qasino_server.share import Share
from qasino_server.table import Result


def streamed(held_bytes: int) -> list[MutableMapping[str, Any]]:
    """What goes out of a stream of two portions that are all there before the loop looks; so much
    is held for its asker already, of four portions that may be."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def run() -> None:
        mailbox, share = Mailbox(), Share(8 * PORTION_BYTES, "results")
        share.take("a", held_bytes)
        sink = StreamSink(mailbox, share, "a")
        ended: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        sink.begin("text/csv")
        sink.write(b"x" * 2 * PORTION_BYTES, time.monotonic() + 10)
        ended.set_result(Result(column_names=("x",), column_types=("",), nr_rows=1))
        mailbox.open()
        try:
            assert await sink.send_to(send, ended)
        finally:
            assert share.held_bytes == held_bytes

    asyncio.run(run())
    return sent


def test_a_stream_is_not_refused_for_what_it_holds_itself() -> None:
    """On a busy machine one that had room was refused: all of it was there before it began."""
    sent = streamed(3 * PORTION_BYTES)
    assert [len(message.get("body", b"")) for message in sent] == [0, 2 * PORTION_BYTES, 0]


def test_it_is_for_what_others_of_its_asker_hold() -> None:
    with pytest.raises(Busy):
        streamed(4 * PORTION_BYTES + 1)
