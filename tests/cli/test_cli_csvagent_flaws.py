"""Files that an agent cannot publish: what it says of each, and that the others do not wait."""

from __future__ import annotations

import gzip

from qasino_cli.csvagent.parcel import Wrapping, pack

ME = Wrapping("me")


def test_a_packed_file_is_unpacked_to_what_a_server_takes_and_no_further() -> None:
    packed = pack("/d/t.csv", gzip.compress(b"1,2\n" * (17 << 20), 1), None, ME)
    assert packed.flaw is not None
    assert (packed.value, packed.flaw.line) == (None, 1)
    assert packed.flaw.sentence.startswith("it unpacks to over 64 MiB; publish parts of it under")
