"""Trying again."""

import pytest
import tenacity

from nodeprov.hosts.ssh.again import trying


def three_times() -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(OSError), stop=tenacity.stop_after_attempt(3), reraise=True
    )


class Failing:
    """Fails so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error, self.calls = times, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def is_os_error(error: Exception) -> bool:
    return isinstance(error, OSError)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_first_try_counts(times: int) -> None:
    call = Failing(times, OSError("busy"))
    assert trying(call, is_os_error, three_times) == "done"
    assert call.calls == times + 1


def test_the_last_error_is_raised_after_so_many() -> None:
    call = Failing(9, OSError("busy"))
    with pytest.raises(OSError, match="busy"):
        trying(call, is_os_error, three_times)
    assert call.calls == 3


def test_what_is_not_worth_another_try_has_none() -> None:
    call = Failing(9, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        trying(call, is_os_error, three_times)
    assert call.calls == 1
