"""How large the benches are: as the claims need them, or quick, to try the harness itself."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes."""

    quick: bool
    quota_mailboxes: int
    compare_mailboxes: int
    loop_rows: int
    """The loop takes more than half a second a row: it is measured on so many of them."""
    idle_resources: int
    idle_minutes: float
    receiver_per_second: int
    """Requests of Graph."""
    receiver_seconds: int
    receiver_mailboxes: int

    @classmethod
    def full(cls) -> Self:
        """What the claims are made of."""
        return cls(
            quick=False,
            quota_mailboxes=5_000,
            compare_mailboxes=1_000,
            loop_rows=50,
            idle_resources=10_000,
            idle_minutes=5.0,
            receiver_per_second=500,
            receiver_seconds=60,
            receiver_mailboxes=2_000,
        )

    @classmethod
    def small(cls) -> Self:
        """Enough to see that a bench works."""
        return cls(
            quick=True,
            quota_mailboxes=400,
            compare_mailboxes=150,
            loop_rows=5,
            idle_resources=400,
            idle_minutes=0.5,
            receiver_per_second=100,
            receiver_seconds=5,
            receiver_mailboxes=100,
        )

    def command(self, target: str) -> str:
        """What one types for it."""
        return f"make {target}{' QUICK=1' if self.quick else ''}"
