"""What ends a piece of work that cannot be done now."""

from datetime import datetime


class Later(Exception):
    """The work cannot be done now, through no fault of the mailbox: look again soon, or then, and change nothing."""

    def __init__(self, again_at: datetime | None = None) -> None:
        super().__init__()
        self.again_at = again_at
