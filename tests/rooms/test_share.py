"""What clients make us hold: never more than there may be, half of it for one, all given back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_server.errors import Busy
from qasino_server.share import Share, unread_results

TOTAL_BYTES = 10


class Asker:
    """Who holds some of it, in the order in which it was begun."""

    def __init__(self, share: Share, who: str) -> None:
        self._share = share
        self._who = who
        self._begun: list[tuple[ExitStack, Callable[[int], None], list[int]]] = []

    @property
    def held_bytes(self) -> int:
        return sum(sum(sizes) for _, _, sizes in self._begun)

    def begin(self) -> None:
        stack = ExitStack()
        self._begun.append((stack, stack.enter_context(self._share.holding(self._who)), []))

    def hold(self, size_bytes: int) -> None:
        """Of the one that was begun last."""
        _, hold, sizes = self._begun[-1]
        hold(size_bytes)
        sizes.append(size_bytes)

    def end(self) -> None:
        if self._begun:
            self._begun.pop(0)[0].close()


STEPS = st.tuples(st.sampled_from(["begin", "end"]), st.sampled_from("abc"), st.just(0))
HOLDS = st.tuples(st.just("hold"), st.sampled_from("abc"), st.integers(0, 7))


@given(st.lists(STEPS | HOLDS | HOLDS, max_size=30))
def test_each_holds_up_to_a_half_and_what_they_give_back_others_have(
    steps: list[tuple[str, str, int]],
) -> None:
    share = Share(TOTAL_BYTES, "letters")
    askers = {who: Asker(share, who) for who in "abc"}
    for asker in askers.values():
        asker.begin()
    for step, who, size_bytes in steps:
        asker, all_bytes = askers[who], sum(one.held_bytes for one in askers.values())
        if step == "begin":
            asker.begin()
        elif step == "end":
            asker.end()
            asker.begin()
        elif (
            asker.held_bytes + size_bytes <= TOTAL_BYTES / 2
            and all_bytes + size_bytes <= TOTAL_BYTES
        ):
            assert share.has_room(who, size_bytes)
            asker.hold(size_bytes)
        else:
            assert not share.has_room(who, size_bytes)
            with pytest.raises(Busy, match="as much as it may of letters; try again"):
                asker.hold(size_bytes)
        assert share.held_bytes == sum(one.held_bytes for one in askers.values())
    for asker in askers.values():
        for _ in range(len(steps) + 1):
            asker.end()
    assert share.held_bytes == 0
    assert not share._held, "who holds nothing is not remembered"


def hold_and_fail(share: Share) -> None:
    with share.holding("a") as hold:
        hold(5)
        raise RuntimeError("the peer")


def test_what_failed_in_between_is_given_back() -> None:
    share = Share(TOTAL_BYTES, "letters")
    with pytest.raises(RuntimeError, match="the peer"):
        hold_and_fail(share)
    assert share.held_bytes == 0
    assert share.has_room("a", TOTAL_BYTES // 2)


def test_of_unread_results_one_may_have_four_of_the_largest_and_all_together_eight() -> None:
    share = unread_results(100)
    for who in "ab":
        assert share.has_room(who, 400)
        assert not share.has_room(who, 401)
        share.take(who, 400)
    assert not share.has_room("c", 1)
    assert share._held.keys() == {"a", "b"}, "who only asks is not remembered"
