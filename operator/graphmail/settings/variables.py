"""What is said about a setting: its declaration on the model, and the same again for documentation and messages."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from graphmail.observability.redaction import MASK, redact
from graphmail.settings.values import Number

_OWN_PREFIXES = ("GRAPHMAIL_", "MICROSOFT_EMAIL_RENEWAL_")
_READ_ELSEWHERE = frozenset({"GRAPHMAIL_CACHE"})
"""Read by the tooling of a checkout, not by the operator."""
SERVICE_VARIABLE = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
"""How the variables end that Kubernetes makes for Services."""
_URL = re.compile(r"(?s)(?P<scheme>\w+://)(.*(?P<rest>@.*))?")
"""A password may hold any character: it ends at the last @."""
_LONGEST_SHOWN = 200


def setting(
    variable: str,
    default: Any,
    description: str,
    *,
    allowed: str = "",
    shown_default: str = "",
    secret: bool = False,
) -> Any:
    """Declare a setting.

    Args:
        variable: name of the variable.
        default: what stands when the variable is not set.
        description: what it means, for people.
        allowed: what is allowed; a number says it by itself.
        shown_default: the default for people, where it is worked out.
        secret: the value never appears in a message.
    """
    extra: dict[str, Any] = {"allowed": allowed, "shown_default": shown_default, "secret": secret}
    return Field(default=default, validation_alias=variable, description=description, json_schema_extra=extra)


class Variable(NamedTuple):
    """A variable of the environment, for documentation and messages."""

    name: str
    default: str
    unit: str
    allowed: str
    description: str
    secret: bool

    def refuse(self, value: str) -> str:
        """The line that tells a person that this value is not allowed."""
        return f"{self.name} is {self.show(value)}: allowed is {self.allowed}"

    def show(self, value: str) -> str:
        """The value in quotes, bounded, and without secrets; one that may be a bare password is not shown at all."""
        if self.secret:
            form = _URL.match(value)
            value = f"{form['scheme']}{MASK}{form['rest'] or ''}" if form else MASK
        shown = redact(value)
        return repr(shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…")


def read_variables(model: type[BaseModel]) -> list[Variable]:
    """The variables of a model whose fields were all declared by `setting`, in their order."""
    return [_variable(field) for field in model.model_fields.values()]


def _variable(field: FieldInfo) -> Variable:
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    number = next((item for item in field.metadata if isinstance(item, Number)), None)
    return Variable(
        name=str(field.validation_alias),
        default=extra["shown_default"] or (number.show(field.default) if number else _shown(field.default)),
        unit=number.unit if number else "",
        allowed=number.allowed if number else extra["allowed"],
        description=field.description or "",
        secret=extra["secret"],
    )


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def unknown_names(env: Mapping[str, str], known: set[str]) -> list[str]:
    """A warning for each name that looks like one of ours and is not known. Variables of Services are none of ours."""
    warnings = []
    for name in sorted(env.keys() - known - _READ_ELSEWHERE):
        if name.startswith(_OWN_PREFIXES) and not SERVICE_VARIABLE.search(name):
            near = difflib.get_close_matches(name, known, n=1)
            warnings.append(f"{name} is not a setting" + (f": is {near[0]} meant?" if near else ""))
    return warnings
