"""The mirror: each provider's row in Postgres has exactly one resource."""

from graphmail.mirror.desired import Template
from graphmail.mirror.listener import Changes, Listener
from graphmail.mirror.mirror import Compared, Mirror

__all__ = ["Changes", "Compared", "Listener", "Mirror", "Template"]
