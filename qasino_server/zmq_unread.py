"""What connections over ZeroMQ have been sent and not read, and who is to read before more goes."""

from __future__ import annotations

from qasino_server.share import SMALL_BYTES, unread_results
from qasino_server.zmq_watch import ZmqPeer

OWED_BYTES = 1 << 20
"""What a connection may have been sent and not read before its asker's share is looked at:
answers that are small go to whoever reads."""


class Unread:
    """Answers that are on their way to connections; used by the port's thread alone."""

    def __init__(self, max_result_bytes: int, port: int) -> None:
        """Eight times the largest for all, half of that for one asker."""
        self._share = unread_results(max_result_bytes)
        self._port = port
        self._owing: set[ZmqPeer] = set()

    def check(self, peer: ZmqPeer | None, asker: str, size_bytes: int) -> None:
        """Raise Busy where the asker is to read before an answer of this size goes out."""
        if size_bytes <= SMALL_BYTES and (
            peer is None
            or peer.sent_bytes - peer.read_bytes <= OWED_BYTES
            or self._owes_little(peer)
        ):
            return
        if not self._share.has_room(asker):
            self.settle()
            self._share.check(asker)

    def _owes_little(self, peer: ZmqPeer) -> bool:
        """Whether that is so by what the kernel knows."""
        self._settle(peer)
        return peer.sent_bytes - peer.read_bytes <= OWED_BYTES

    def add(self, peer: ZmqPeer, asker: str, size_bytes: int) -> None:
        """An answer goes out."""
        if peer.sent_bytes == peer.read_bytes:
            if len(self._owing) >= 1000:
                self.settle()
            peer.asker = asker
            self._owing.add(peer)
        peer.sent_bytes += size_bytes
        self._share.take(peer.asker, size_bytes)

    def settle(self) -> None:
        """Ask the kernel what has been read by now."""
        for peer in list(self._owing):
            self._settle(peer)

    def _settle(self, peer: ZmqPeer) -> None:
        read_bytes = peer.sent_bytes
        taken_bytes = peer.taken_bytes(self._port)
        if taken_bytes is not None:
            read_bytes = min(read_bytes, max(taken_bytes, peer.read_bytes))
        self._share.give_back(peer.asker, read_bytes - peer.read_bytes)
        peer.read_bytes = read_bytes
        if read_bytes == peer.sent_bytes:
            self._owing.discard(peer)
