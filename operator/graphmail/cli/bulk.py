"""A renewal of many mailboxes, told by the values of their annotations alone, so that it can be stopped and gone on with.

The value names the moment when the run began; whoever types the same command again finds it in the resources. Pure.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from graphmail.cli.requests import Fate, answer
from graphmail.cli.selection import Selection
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_RENEW, BULK_PREFIX

RESUMABLE = timedelta(hours=24)
"""A run that began earlier is not gone on with: whoever types the command then means a new one."""
_FORM = re.compile(rf"{BULK_PREFIX}(?P<scope>[a-z]+)/(?P<begun>[0-9-]+T[0-9:]+Z)/[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Run:
    """One renewal, of one mailbox or many."""

    begun: datetime
    scope: str
    """`all` or `tenant`; empty: mailboxes that somebody named, which are not many."""
    value: str = field(compare=False)
    """What the annotation is set to now. One that goes on has another value than its beginning, with the same moment."""

    @classmethod
    def of(cls, selection: Selection, begun: datetime) -> Self:
        """A run with a value that nothing else has."""
        scope = ("tenant" if selection.tenant else "all") if selection.bulk else ""
        return cls.begun_at(begun.astimezone(UTC).replace(microsecond=0), scope)

    @classmethod
    def begun_at(cls, begun: datetime, scope: str) -> Self:
        """The run of that scope that began then, with a value that nothing else has."""
        prefix = f"{BULK_PREFIX}{scope}/" if scope else ""
        return cls(begun, scope, f"{prefix}{begun:%Y-%m-%dT%H:%M:%SZ}/{secrets.token_hex(3)}")

    @property
    def bulk(self) -> bool:
        """It is about many mailboxes."""
        return bool(self.scope)

    def asked_by(self, value: str | None) -> bool:
        """Whether a value of the annotation belongs to this run, from whichever of its starts."""
        found = _FORM.fullmatch(value or "")
        return found is not None and found["scope"] == self.scope and _begun(found["begun"]) == self.begun


def unfinished(resources: Iterable[GraphMailSubscription], new: Run, now: datetime) -> Run | None:
    """The newest run of the same scope that has not renewed all of these mailboxes; None: there is none to go on with."""
    resources = list(resources)
    values = (resource.metadata.annotations.get(ANNOTATION_RENEW, "") for resource in resources)
    found = [match for value in values if (match := _FORM.fullmatch(value)) and match["scope"] == new.scope]
    moments = [begun for match in found if (begun := _begun(match["begun"])) and now - begun < RESUMABLE]
    if not moments:
        return None
    run = Run.begun_at(max(moments), new.scope)
    served = (one for one in resources if not one.spec.suspend and one.metadata.deletion_timestamp is None)
    return None if all(renewed_since(one, run) for one in served) else run


def renewed_since(resource: GraphMailSubscription, run: Run) -> bool:
    """Whether it was renewed since that run began: by its status, or by the answer to what the run asked (clocks may differ)."""
    renewed, echo = resource.status.last_renewal_time, resource.status.last_handled_renewal
    if renewed is not None and renewed >= run.begun:
        return True
    if echo is None or not run.asked_by(echo) or resource.metadata.annotations.get(ANNOTATION_RENEW) != echo:
        return False
    outcome = answer(resource, echo, run.begun)
    return outcome is not None and outcome.fate is Fate.RENEWED


def _begun(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
