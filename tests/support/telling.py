"""The receiver's part: what Graph tells of a subscription, put into the annotation of its resource."""

import json
from datetime import UTC, datetime

from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.names import ANNOTATION_LIFECYCLE, PLURAL
from support.stage import Row, Stage


def tell(
    stage: Stage, row: Row | str, *events: LifecycleEvent, of: str | None = None, at: datetime | None = None
) -> datetime:
    """Graph has told that of the subscription which the status names, or of another one; when.

    It is merged with what stands there, as the receiver merges it.
    """
    resource, moment = stage.resource(row), at or datetime.now(UTC)
    assert resource is not None
    told = json.loads(resource["metadata"].get("annotations", {}).get(ANNOTATION_LIFECYCLE, "{}"))
    entry = told.setdefault(of or resource["status"]["subscriptionID"], {})
    entry |= {event.value: f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" for event in events}
    annotate(stage, row, json.dumps(told, separators=(",", ":")))
    return moment


def annotate(stage: Stage, row: Row | str, value: str) -> None:
    """Whatever stands there."""
    name = row if isinstance(row, str) else row.name
    stage.kubectl("annotate", "--overwrite", PLURAL, name, f"{ANNOTATION_LIFECYCLE}={value}")
