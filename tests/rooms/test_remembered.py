"""What functions remember: as much as takes up little room."""

from __future__ import annotations

import tracemalloc

from qasino_server.remembered import MOST_BYTES, remembered


def test_what_is_asked_again_is_not_worked_out_again() -> None:
    asked = []

    @remembered(2)
    def doubled(text: str) -> str:
        asked.append(text)
        return text * 2

    assert [doubled(text) for text in ("a", "b", "a", "b")] == ["aa", "bb", "aa", "bb"]
    assert asked == ["a", "b"]
    doubled("c")
    doubled("b")
    doubled("a")
    assert asked == ["a", "b", "c", "a"]


def test_long_texts_are_forgotten_and_short_ones_are_not() -> None:
    @remembered(1000)
    def joined(texts: tuple[str, ...]) -> str:
        return "".join(texts)

    tracemalloc.start()
    try:
        for number in range(1000):
            joined((f"{number}" + "x" * 5_000, "\N{EIGHTH NOTE}"))
        held_bytes, _ = tracemalloc.get_traced_memory()
        assert held_bytes < 2 * MOST_BYTES
        joined(("x" * MOST_BYTES, "y"))
        joined(("z",))
        held_bytes, _ = tracemalloc.get_traced_memory()
        assert held_bytes < MOST_BYTES
    finally:
        tracemalloc.stop()
