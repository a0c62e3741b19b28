"""Moments as Kubernetes has them: written by everybody, and read from whoever may have written them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""What is told to be before this (`0001-01-01` is how .NET writes none) is past anyway, and nothing can be subtracted from it."""
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""What somebody has written into a status or an annotation may be any moment, and there is an end to what can be added to it."""


def write_time(moment: datetime) -> str:
    """A moment as Kubernetes writes it: UTC, truncated to seconds, and with four digits for every year, which `strftime` does not have."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def read_moment(text: str | None) -> datetime | None:
    """The moment that an annotation tells, in UTC; anybody may have written the text.

    None: it tells none, or one that UTC does not have, as an offset makes of the first and the last hours of all.
    """
    try:
        moment = datetime.fromisoformat(text or "")
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read_time(value: Any, parse: ValidatorFunctionWrapHandler) -> datetime | None:
    """A moment of the status, in whole seconds; None where it is none that can be told in UTC.

    The API server looks at its form alone, and takes the year 0, an offset of 99 hours, and what such an offset makes of the first and the
    last hours of all. That must not cost the rest of the status: who forgets a subscription makes another one.

    It is in the UTC of the standard library: pydantic makes a zone for each, and to compare these costs 20 times as much.
    """
    try:
        moment: datetime = parse(value)
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None


Time = Annotated[AwareDatetime, WrapValidator(_read_time), PlainSerializer(write_time, return_type=str)]
TransitionTime = Annotated[Time, AfterValidator(lambda moment: moment or EARLIEST)]
"""A condition has one. Where nobody can tell it, it was long ago: a condition of somebody else's stays as long as they want."""
