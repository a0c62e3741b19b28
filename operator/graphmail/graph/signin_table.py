"""The table of sign-in: an error of Microsoft's → what it means, and the next step of a person. The first row that fits wins.

`error` decides (RFC 6749, section 5.2, and Microsoft's additions); the AADSTS numbers are hints that choose the remedy, and
unmask what passes by itself.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from graphmail.graph.answers import read_json
from graphmail.graph.errors import SignInError
from graphmail.graph.login_proof import Proof
from graphmail.graph.meaning import Meaning
from graphmail.graph.text import http_date, publishable, retry_after, short_id
from graphmail.provider import Credential

_NUMBER = re.compile(r"\bAADSTS(\d{1,9})\b")
_PLACEHOLDER = re.compile(r"\{(app|directory|place|again|proof)\}")
_TRAILER = re.compile(r"\s*(?:Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One row. Whatever a row names must hold.

    In a remedy, `{app}` and `{directory}` are filled in, `{place}` by where the app's secret or certificate stand, `{proof}` by what it
    proved itself with, and `{again}` by who must sign in again, and where.
    """

    case: str
    meaning: Meaning
    errors: Collection[str] | None = None
    numbers: Collection[int] | None = None
    statuses: Collection[int] | None = None
    remedy: str | None = None

    def fits(self, error: str, numbers: Collection[int], status: int) -> bool:
        """Whether the answer is a case of this row."""
        return (
            (self.errors is None or error in self.errors)
            and (self.numbers is None or not set(self.numbers).isdisjoint(numbers))
            and (self.statuses is None or status in self.statuses)
        )


_GRANT_ERRORS = {"invalid_grant", "interaction_required", "consent_required", "login_required"}
_NEW_DIRECTORY = "Correct the directory (tenant) id: Microsoft knows no directory {directory} in this cloud."
_REGISTRATION = "Entra's registration of app {app}, under Certificates & secrets"
_THEN_FORCE = "Then force a renewal: graphmail renew"

TABLE: tuple[Row, ...] = (
    Row("too many requests", Meaning.THROTTLED, statuses={429}),
    Row("too many requests, by its name", Meaning.THROTTLED, errors={"slow_down"}),
    Row("too many identical requests", Meaning.THROTTLED, numbers={50196}),
    Row("sign-in has a fault", Meaning.TRANSIENT, statuses={408, *range(500, 600)}),
    Row("sign-in has a fault, by its name", Meaning.TRANSIENT, errors={"temporarily_unavailable", "server_error"}),
    Row("sign-in has a fault, by its number", Meaning.TRANSIENT, numbers={90033, 90024, 90055}),
    Row(
        "consent was never given, or was taken away",
        Meaning.INTERACTION_REQUIRED,
        errors=_GRANT_ERRORS,
        numbers={65001},
        remedy="{again} Or let an administrator of the user's directory consent to the app.",
    ),
    Row(
        "the user's password was changed, or the sign-in was revoked",
        Meaning.INTERACTION_REQUIRED,
        errors=_GRANT_ERRORS,
        numbers={50173},
        remedy="The password was changed or the sign-in was revoked. {again}",
    ),
    Row(
        "the refresh token expired",
        Meaning.INTERACTION_REQUIRED,
        errors=_GRANT_ERRORS,
        numbers={70008, 700082},
        remedy="The sign-in has expired. {again}",
    ),
    Row("a person must sign in", Meaning.INTERACTION_REQUIRED, errors=_GRANT_ERRORS, remedy="{again}"),
    Row(
        "the client secret expired",
        Meaning.CREDENTIAL_INVALID,
        errors={"invalid_client"},
        numbers={7000222},
        remedy=f"The client secret of app {{app}} has expired: create a new one in {_REGISTRATION}, and store its value in {{place}}.",
    ),
    Row(
        "the client secret is wrong",
        Meaning.CREDENTIAL_INVALID,
        errors={"invalid_client"},
        numbers={7000215},
        remedy="The client secret of app {app} is wrong: store the secret's value (not its id) in {place}.",
    ),
    Row(
        "the app proved itself with nothing",
        Meaning.CREDENTIAL_INVALID,
        numbers={7000218},
        remedy="App {app} is confidential: store its client secret or its certificate in {place}.",
    ),
    Row(
        "the app is public",
        Meaning.CREDENTIAL_INVALID,
        numbers={700025},
        remedy="App {app} is public, and must not prove itself: take the client secret or the certificate out of {place}.",
    ),
    Row(
        "the assertion is out of time",
        Meaning.TRANSIENT,
        numbers={700024},
        remedy="Set the clock of the operator's node by NTP; or {proof} was not replaced in time.",
    ),
    Row(
        "the workload identity is not known",
        Meaning.CREDENTIAL_INVALID,
        numbers={70021, 700211, 700212, 700213, 7002138},
        remedy=f"In {_REGISTRATION}, add a federated credential that fits {{proof}}. {_THEN_FORCE}.",
    ),
    Row(
        "the certificate is not known, or has expired",
        Meaning.CREDENTIAL_INVALID,
        errors={"invalid_client"},
        numbers={700027, 700021, 700023, 50027},
        remedy=f"Microsoft does not take {{proof}}: upload a valid one in {_REGISTRATION}, and store it with its key in {{place}}. "
        f"Where only the upload was missing, force a renewal after it: graphmail renew.",
    ),
    Row(
        "the app is gone or disabled, under the name of a bad credential",
        Meaning.APP_DISABLED,
        errors={"invalid_client"},
        numbers={700016, 7000112},
        remedy=f"App {{app}} is gone or disabled in directory {{directory}}: enable it, or consent to it, in Entra. {_THEN_FORCE}.",
    ),
    Row(
        "the app's credential is refused",
        Meaning.CREDENTIAL_INVALID,
        errors={"invalid_client"},
        remedy=f"Microsoft refuses {{proof}} of app {{app}}, which stands in {{place}}: compare it with {_REGISTRATION}.",
    ),
    Row(
        "the app is gone or disabled",
        Meaning.APP_DISABLED,
        errors={"unauthorized_client"},
        remedy="App {app} is gone, disabled or not allowed in directory {directory}: enable it, or consent to it, in Entra. "
        f"{_THEN_FORCE}.",
    ),
    Row(
        "the app may not use Graph",
        Meaning.APP_DISABLED,
        errors={"invalid_resource", "invalid_scope"},
        remedy=f"App {{app}} may not use Graph in directory {{directory}}: grant it Mail.Read in Entra. {_THEN_FORCE}.",
    ),
    Row(
        "there is no such directory, by its name",
        Meaning.CREDENTIAL_INVALID,
        errors={"invalid_tenant"},
        remedy=_NEW_DIRECTORY,
    ),
    Row(
        "there is no such directory",
        Meaning.CREDENTIAL_INVALID,
        numbers={90002, 900023},
        remedy=_NEW_DIRECTORY,
    ),
)


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """An answer of sign-in that is not a token. `body` may be anything."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    credential: Credential
    proof: Proof | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What was sent and must not be repeated."""
        known = (self.credential.refresh_token, self.credential.client_secret)
        return (*filter(None, known), *(self.proof.secrets if self.proof else ()))


def sign_in_again(credential: Credential) -> str:
    """Who must sign in again, and where, as a sentence."""
    if credential.consent_place is None:
        return f"Sign in again as {credential.user} in the product, and consent to app {credential.client_id}."
    return (
        f"Sign in again as {credential.user}, consent to app {credential.client_id}, and store the new refresh token in "
        f"{credential.consent_place}."
    )


def sign_in_refusal(answer: SignInAnswer) -> SignInError:
    """The error that this answer stands for. Any answer has one, and none makes this function fail."""
    content = read_json(answer.body)
    content = content if isinstance(content, dict) else {}
    error = publishable(content.get("error"), answer.secrets)[:100].casefold()
    told = publishable(_TRAILER.sub("", _text(content.get("error_description"))), answer.secrets)
    numbers = _numbers(content.get("error_codes"), told)
    row = next((row for row in TABLE if row.fits(error, numbers, answer.status)), None)
    now = http_date(answer.headers.get("date")) or answer.received_at
    return SignInError(
        row.meaning if row else Meaning.UNKNOWN,
        told or "Microsoft sign-in gave no reason",
        status=answer.status,
        code=error or None,
        retry_after=retry_after(answer.headers.get("retry-after"), now=now),
        remedy=_fill(row.remedy, answer) if row and row.remedy else None,
        aadsts=numbers[0] if numbers else None,
        correlation_id=short_id(content.get("correlation_id"), answer.secrets),
        told_to=lambda credential: sign_in_refusal(replace(answer, credential=credential)),
    )


def _fill(remedy: str, answer: SignInAnswer) -> str:
    credential = answer.credential
    values = {
        "app": credential.client_id,
        "directory": credential.directory,
        "place": credential.place,
        "again": sign_in_again(credential),
        "proof": answer.proof.name if answer.proof else "the credential",
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], remedy)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _numbers(codes: Any, description: str) -> list[int]:
    """Microsoft's numbers, from the list or, where there is none, from the text."""
    listed = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    return listed or [int(number) for number in _NUMBER.findall(description)]
