"""The kinds of values that settings have, each read from text."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, SecretStr, StringConstraints
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class Number:
    """A number within limits: a count, or a span of time when it has a unit. With `off`, 0 reads as None."""

    least: float
    most: float
    unit: Literal["", "days", "hours", "minutes", "seconds"] = ""
    off: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, for people."""
        kind = f"a number of {self.unit}" if self.unit else "a whole number"
        off = ", or 0 for off" if self.off else ""
        return f"{kind} from {self.least:,} to {self.most:,}{off}"

    def read(self, value: Any) -> Any:
        """The value of a text; what is not a text is a value already.

        Raises:
            ValueError: it is no number, or outside of the limits.
        """
        if not isinstance(value, str):
            return value
        number = float(value) if self.unit else int(value)
        if self.off and number == 0:
            return None
        if not self.least <= number <= self.most:
            raise ValueError(self.allowed)
        return timedelta(**{self.unit: number}) if self.unit else number

    def show(self, value: Any) -> str:
        """The text that reads as this value."""
        if value is None:
            return "0"
        return f"{value / timedelta(**{self.unit: 1}):g}" if self.unit else str(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def lower(value: Any) -> Any:
    """A text in small letters; what is not a text stays as it is."""
    return value.lower() if isinstance(value, str) else value


def _address(text: str, scheme: str) -> SplitResult:
    """Scheme, host, port and path, and nothing else. Port 0 makes sense only for what we serve ourselves, which is plain http.

    Raises:
        ValueError: there is more, or less; a port outside of 0 to 65,535 too.
    """
    parts = urlsplit(text)
    bare = "@" not in parts.netloc and not re.search(r"[\s?#]", text)
    reachable = parts.port != 0 or scheme == "http"
    if parts.scheme != scheme or not parts.hostname or not bare or not reachable:
        raise ValueError("not an address of the allowed form")
    return parts


def _https_url(text: str) -> str:
    _address(text, "https")
    return text.rstrip("/")


def _graph_url(text: str) -> str:
    if _address(text, "https").path.rstrip("/") != "/v1.0":
        raise ValueError("does not end in /v1.0")
    return text.rstrip("/")


def _metrics_url(text: str) -> str:
    parts = _address(text, "http")
    if parts.port is None or parts.path != "/metrics":
        raise ValueError("needs a port and the path /metrics")
    return text


def _web_url(text: str) -> str:
    scheme = "http" if text.startswith("http:") else "https"
    if _address(text, scheme).port == 0:
        raise ValueError("port 0 is for what we serve ourselves")
    return text


def _listening_address(text: str) -> str:
    parts = _address(f"http://{text}", "http")
    if parts.port is None or parts.path:
        raise ValueError("needs a host and a port, and nothing else")
    return text


def _postgres_url(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"postgres(ql)?://\S+", secret.get_secret_value()):
        raise ValueError("not a URL of Postgres")
    return secret


NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""What the API server takes as the name of a namespace (a label of RFC 1123)."""
Namespace = Annotated[str, StringConstraints(pattern=NAMESPACE)]


def _absolute_path(text: str) -> str:
    if not PurePath(text).is_absolute():
        raise ValueError("not an absolute path")
    return text


AbsolutePath = Annotated[str, AfterValidator(_absolute_path)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
"""Without a slash at its end."""
GraphUrl = Annotated[str, AfterValidator(_graph_url)]
MetricsUrl = Annotated[str, AfterValidator(_metrics_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
"""Of a neighbour in the cluster, which may be plain http."""
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]


def _tenant(text: str) -> str:
    """The product's id of a tenant, as Postgres prints it."""
    return str(uuid.UUID(text.strip()))


def _tenants(value: object) -> object:
    """Commas part them; what is not a text is a value already."""
    if not isinstance(value, str):
        return value
    return frozenset(_tenant(name) for name in value.split(","))


_LOOK_AHEAD = Number(1, 10_079, "minutes")


def _look_aheads(value: object) -> object:
    """`tenant=minutes`, parted by commas. A tenant that is named twice is refused, as nobody can tell what was meant."""
    if not isinstance(value, str):
        return value
    found: dict[str, timedelta] = {}
    for part in value.split(","):
        name, equals, minutes = part.partition("=")
        tenant = _tenant(name)
        if not equals or tenant in found:
            raise ValueError("not tenant=minutes, or the tenant is named twice")
        found[tenant] = _LOOK_AHEAD.read(minutes.strip())
    return found


Tenants = Annotated[frozenset[str], BeforeValidator(_tenants)]
LookAheads = Annotated[Mapping[str, timedelta], BeforeValidator(_look_aheads)]
