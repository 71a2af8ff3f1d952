"""How long to wait before asking a model again, and when to give up: tenacity's waits and stops, as plain numbers.

The decision to ask again is an event in the log; nothing here sleeps or loops.
"""

from msgspec import Struct
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Says how often a model is asked, and how long to wait in between.

    Attributes:
        attempts: how often at most, the first time included.
        first: seconds; a first wait is random between 0 and this, and each further one up to twice as long.
        longest: seconds that no wait exceeds, but one that the provider asks for.
        patience: seconds; a provider that asks for a longer wait is not asked again in this turn.

    >>> from agent_runtime_framework import RetryPolicy
    >>> policy = RetryPolicy(attempts=3, first=0.0)
    >>> policy.wait(1), policy.wait(2, retry_after=30.0), policy.wait(3)
    (0.0, 30.0, None)

    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 20.0
    patience: float = 120.0

    def wait(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait after attempt number `attempt` failed, None to give up.

        A provider's `retry_after` is honoured: never asked earlier, whatever the jitter says.
        """
        waits = wait_random_exponential(multiplier=self.first, max=self.longest)
        state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
        state.attempt_number = attempt
        asked = retry_after or 0.0
        if stop_after_attempt(self.attempts)(state) or asked > self.patience:
            return None
        return max(float(waits(state)), asked)
