"""The demo says yes only when everything adds up."""

from collections import Counter

import pytest

from demo import CALLERS, Row, table

ENTITLED, _, ENDED, _, NAMELESS = CALLERS


@pytest.mark.parametrize(
    ("row", "adds_up"),
    [
        (Row(ENTITLED, Counter({200: 3}), 3, 3, [0.1, 0.2, 0.3]), True),
        (Row(ENDED, Counter({403: 3}), 0, 0, []), True),
        (Row(NAMELESS, Counter({401: 3}), 0, 0, []), True),
        (Row(ENTITLED, Counter({200: 3}), 3, 2, []), False),
        (Row(ENTITLED, Counter({200: 3}), 2, 3, []), False),
        (Row(ENTITLED, Counter({200: 2, 403: 1}), 2, 2, []), False),
        (Row(ENTITLED, Counter({200: 2, 500: 1}), 3, 3, []), False),
        (Row(ENDED, Counter({200: 1, 403: 2}), 1, 1, []), False),
        (Row(ENDED, Counter({403: 3}), 0, 1, []), False),
        (Row(ENTITLED, Counter(), 0, 0, []), False),
    ],
)
def test_a_row_adds_up_or_does_not(row: Row, adds_up: bool) -> None:
    assert row.adds_up is adds_up
    assert table([row]).row_count == 1
