"""Waiting for something to become true, never for time to pass."""

import time


class TimedOut(AssertionError):
    """What was waited for did not come."""


def wait_for(what, condition, deadline=10.0, every=0.02):
    """The first true value of `condition()`. `what` says in a failure what was waited for; an exception of the
    condition's counts as "not yet" and is told at the end."""
    end = time.monotonic() + deadline
    while True:
        problem = None
        try:
            value = condition()
            if value:
                return value
        except Exception as error:  # whatever it is, it may be over in a moment
            value, problem = None, error
        if time.monotonic() > end:
            raise TimedOut(f"waited {deadline:g} s for {what}; last: {problem or value!r}") from problem
        time.sleep(every)
