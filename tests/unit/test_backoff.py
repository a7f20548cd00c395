import pytest

from metering.delivery import _backoff


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.4), (2, 0.8), (3, 1.6), (4, 2.0), (9, 2.0)])
def test_the_wait_doubles_up_to_a_bound_and_is_spread_over_all_of_it(attempt: int, bound: float) -> None:
    assert _backoff(attempt, 0.0, lambda low, high: high) == pytest.approx(bound)
    assert _backoff(attempt, 0.0, lambda low, high: low) == 0.0


def test_the_server_is_never_asked_before_the_time_it_named() -> None:
    assert _backoff(1, 3.0, lambda low, high: low) == 3.0
