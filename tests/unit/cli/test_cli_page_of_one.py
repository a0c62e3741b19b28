"""What `graphmail describe` says of one mailbox."""

import io
from datetime import datetime

from graphmail.cli.describe import show
from graphmail.cli.output import Screen
from graphmail.cli.situation import situation
from graphmail.resource.names import ANNOTATION_ADOPT
from unit.cli.conftest import Mailbox


def page(resource: object, now: datetime) -> list[str]:
    out = io.StringIO()
    show(situation(resource, now), now, Screen(out, out, terminal=False, width=80, asks=False))  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def test_the_expiry_of_a_subscription_that_only_the_row_knows_is_not_known(mailbox: Mailbox, now: datetime) -> None:
    marked = mailbox(
        status={"subscriptionID": None, "expirationTime": None}, metadata={"annotations": {ANNOTATION_ADOPT: "s7"}}
    )
    assert (
        "Expires             not known: the row names s7, which could not be looked up so far: it may still deliver; "
        "its expiry is webhook_expires_at in the row"
    ) in page(marked, now)


def test_an_expiry_that_is_known_is_told_even_while_another_subscription_waits(mailbox: Mailbox, now: datetime) -> None:
    marked = mailbox(metadata={"annotations": {ANNOTATION_ADOPT: "s7"}})
    assert "Expires             2026-03-03T01:00:00Z (in 46h)" in page(marked, now)
