"""One seeded source of identifiers and of chance, so that a run can be repeated."""

import base64
import random
import uuid


class Randomness:
    """Hands out guids, opaque tokens and decisions by chance, all from one seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulator must be repeatable; nothing real is protected by it

    def guid(self) -> str:
        """Answer a random guid in Graph's spelling: lower case, with hyphens."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def opaque(self, size: int = 24) -> str:
        """Answer `size` random bytes as text that is safe in a URL."""
        return base64.urlsafe_b64encode(self._random.randbytes(size)).rstrip(b"=").decode()

    def hits(self, share: float) -> bool:
        """Decide by chance: True in `share` (0 to 1) of the calls."""
        return share >= 1 or self._random.random() < share

    def between(self, least: float, most: float) -> float:
        """Draw a number from a range; one without width draws nothing."""
        return least if most <= least else self._random.uniform(least, most)

    def chance(self, seed: int | None, name: str) -> random.Random:
        """Answer a chance of its own, for what must not hang on anything else; one seed and one name always give the same."""
        base = self._random.getrandbits(64) if seed is None else seed
        return random.Random(f"{base}/{name}")  # noqa: S311 - as above
