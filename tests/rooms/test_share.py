"""What clients make us hold: never more than there may be, half of it for one, all given back."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_server.errors import Busy
from qasino_server.share import Share, unread_results

TOTAL_BYTES = 10
WHO = st.sampled_from("abc")


@given(st.lists(st.tuples(st.sampled_from(["hold", "begin", "end"]), WHO, st.integers(0, 7))))
def test_each_holds_up_to_a_half_and_what_they_give_back_others_have(
    steps: list[tuple[str, str, int]],
) -> None:
    share = Share(TOTAL_BYTES, "letters")
    open_ones: dict[str, list[Any]] = {who: [] for who in "abc"}
    held: Counter[str] = Counter()
    for step, who, size_bytes in steps:
        if step == "begin" and not open_ones[who]:
            stack = ExitStack()
            open_ones[who] = [stack, stack.enter_context(share.holding(who))]
        elif step == "end" and open_ones[who]:
            open_ones[who].pop(0).close()
            open_ones[who].clear()
            del held[who]
        elif step == "hold" and open_ones[who]:
            fits = (
                held[who] + size_bytes <= TOTAL_BYTES / 2
                and held.total() + size_bytes <= TOTAL_BYTES
            )
            assert share.has_room(who, size_bytes) == fits
            if fits:
                open_ones[who][1](size_bytes)
                held[who] += size_bytes
            else:
                with pytest.raises(Busy, match="as much as it may of letters; try again"):
                    open_ones[who][1](size_bytes)
        assert share.held_bytes == held.total()
        assert share.has_room(who) == (held[who] <= TOTAL_BYTES / 2)
    for one in open_ones.values():
        if one:
            one[0].close()
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
