"""How often somebody may try: token buckets in a table of a fixed size.

A key (an address, a name) is hashed to a bucket with a secret of the process, so that nobody can
choose whose bucket they share. Two keys in one bucket make it stricter, never laxer, and memory
stays the same whoever comes.
"""

from __future__ import annotations

import hashlib
import math
import secrets

BUCKETS = 4_096


class Throttle:
    """`burst` tries at once, then one each `refill_s` seconds."""

    def __init__(self, burst: int, refill_s: float) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._left = [float(burst)] * BUCKETS
        self._at = [0.0] * BUCKETS
        self._secret = secrets.token_bytes(16)

    def take(self, key: str, now: float) -> int:
        """Take one try; 0, or in how many seconds there will be one. `now` never goes back."""
        bucket = self._bucket(key)
        self._refill(bucket, now)
        if self._left[bucket] < 1:
            return math.ceil((1 - self._left[bucket]) * self._refill_s)
        self._left[bucket] -= 1
        return 0

    def give_back(self, key: str) -> None:
        """The try was none: the password was right."""
        bucket = self._bucket(key)
        self._left[bucket] = min(self._burst, self._left[bucket] + 1)

    def _refill(self, bucket: int, now: float) -> None:
        gained = (now - self._at[bucket]) / self._refill_s
        self._left[bucket] = min(self._burst, self._left[bucket] + gained)
        self._at[bucket] = now

    def _bucket(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode("utf-8", "replace"), key=self._secret, digest_size=4)
        return int.from_bytes(digest.digest()) % BUCKETS
