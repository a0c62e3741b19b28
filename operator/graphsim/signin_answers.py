"""Every error that Microsoft sign-in is known to answer with, each under a name that fault rules can use."""

from dataclasses import dataclass, field
from typing import Any

from graphsim.errors import SigninError

_NIL = "00000000-0000-0000-0000-000000000000"
_THUMBPRINT = "0000000000000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class SigninAnswer:
    """A named error of Microsoft sign-in."""

    status: int
    error_code: str
    number: int
    text: str
    meaning: str
    suberror: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def error(self, **values: Any) -> SigninError:
        """Build the error, its text filled in."""
        text = self.text.format_map(self.values | values)
        return SigninError(
            self.status, self.error_code, self.number, text, suberror=self.suberror, headers=dict(self.headers)
        )


SIGNIN_ANSWERS: dict[str, SigninAnswer] = {
    "refresh-expired": SigninAnswer(
        400,
        "invalid_grant",
        700082,
        "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive for "
        "90.00:00:00.",
        "the user must sign in again",
        suberror="bad_token",
        values={"issued": "an earlier day"},
    ),
    "grant-expired": SigninAnswer(
        400,
        "invalid_grant",
        70008,
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive "
        "authorization request for this user and resource.",
        "the user must sign in again",
    ),
    "grant-revoked": SigninAnswer(
        400,
        "invalid_grant",
        50173,
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have "
        "changed or reset their password. The grant was issued on '{issued}' and the TokensValidFrom date (before "
        "which tokens are not valid) for this user is '{revoked}'.",
        "the user must sign in again",
        values={"issued": "an earlier day", "revoked": "a later day"},
    ),
    "consent-missing": SigninAnswer(
        400,
        "invalid_grant",
        65001,
        "The user or administrator has not consented to use the application with ID '{client_id}' named '{name}'. "
        "Send an interactive authorization request for this user and resource.",
        "the consent is gone: the user must sign in again",
        suberror="consent_required",
        values={"client_id": _NIL, "name": "app"},
    ),
    "interaction-required": SigninAnswer(
        400,
        "interaction_required",
        50076,
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
        "use multi-factor authentication to access '{resource}'.",
        "the user must sign in again",
        suberror="basic_action",
        values={"resource": "00000003-0000-0000-c000-000000000000"},
    ),
    "bad-refresh-token": SigninAnswer(
        400,
        "invalid_grant",
        9002313,
        "Invalid request. Request is malformed or invalid.",
        "the refresh token was never handed out here",
    ),
    "wrong-client": SigninAnswer(
        400,
        "invalid_grant",
        70000,
        "The provided value for the input parameter 'refresh_token' or 'assertion' is not valid.",
        "the refresh token belongs to another app",
    ),
    "wrong-tenant": SigninAnswer(
        400,
        "invalid_grant",
        50020,
        "User account '{user}' from identity provider 'https://sts.windows.net/{home}/' does not exist in tenant "
        "'{tenant}' and cannot access the application '{client_id}' in that tenant.",
        "the refresh token belongs to a user of another tenant",
        values={"user": "user", "home": _NIL, "tenant": _NIL, "client_id": _NIL},
    ),
    "invalid-client": SigninAnswer(
        401,
        "invalid_client",
        7000215,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        "the client secret ID, for a secret added to app '{client_id}'.",
        "the secret is wrong",
        values={"client_id": _NIL},
    ),
    "secret-expired": SigninAnswer(
        401,
        "invalid_client",
        7000222,
        "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new keys "
        "for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: "
        "https://aka.ms/certCreds.",
        "the secret has expired",
        values={"client_id": _NIL},
    ),
    "secret-missing": SigninAnswer(
        401,
        "invalid_client",
        7000218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        "no credential was sent",
    ),
    "client-public": SigninAnswer(
        401,
        "invalid_client",
        700025,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        "the app is public, and sent a credential",
    ),
    "certificate-refused": SigninAnswer(
        401,
        "invalid_client",
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on application. "
        "[Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}', Please visit the Azure "
        "Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{client_id}'.]",
        "the certificate is not one of the app's",
        values={"client_id": _NIL, "thumbprint": _THUMBPRINT},
    ),
    "certificate-expired": SigninAnswer(
        401,
        "invalid_client",
        700027,
        "Client assertion failed signature validation. [Reason - The key used is expired., Thumbprint of key used by "
        "client: '{thumbprint}', Found key 'Start={start}, End={end}']",
        "the certificate has expired",
        values={"thumbprint": _THUMBPRINT, "start": "an earlier day", "end": "yesterday"},
    ),
    "assertion-signature-refused": SigninAnswer(
        401,
        "invalid_client",
        700027,
        "Client assertion failed signature validation. [Reason - The provided signature value did not match the "
        "expected signature value., Thumbprint of key used by client: '{thumbprint}']",
        "the assertion was signed with another key",
        values={"thumbprint": _THUMBPRINT},
    ),
    "assertion-malformed": SigninAnswer(
        401, "invalid_client", 50027, "JWT token is invalid or malformed.", "the assertion is no signed JWT"
    ),
    "assertion-client-refused": SigninAnswer(
        401,
        "invalid_client",
        700021,
        "Client assertion application identifier doesn't match 'client_id' parameter.",
        "the assertion speaks of another app",
    ),
    "assertion-audience-refused": SigninAnswer(
        401,
        "invalid_client",
        700023,
        "Client assertion audience claim does not match Realm issuer.",
        "the assertion was made for another sign-in",
    ),
    "assertion-out-of-time": SigninAnswer(
        401,
        "invalid_client",
        700024,
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {start}, "
        "expiry time of assertion {end}.",
        "the assertion is too old, or of the future: a clock is wrong",
        values={"now": "now", "start": "an earlier moment", "end": "a moment ago"},
    ),
    "federation-refused": SigninAnswer(
        401,
        "invalid_client",
        700213,
        "No matching federated identity record found for presented assertion subject '{subject}'. Check your "
        "federated identity credential Subject, Audience and Issuer against the presented assertion.",
        "the workload identity is not one of the app's",
        values={"subject": "system:serviceaccount:default:default"},
    ),
    "federation-issuer-refused": SigninAnswer(
        401,
        "invalid_client",
        700211,
        "No matching federated identity record found for presented assertion issuer '{issuer}'. Check your "
        "federated identity credential Subject, Audience and Issuer against the presented assertion.",
        "the cluster of the workload identity is not one that the app trusts",
        values={"issuer": "https://kubernetes.default.svc.cluster.local"},
    ),
    "federation-audience-refused": SigninAnswer(
        401,
        "invalid_client",
        700212,
        "No matching federated identity record found for presented assertion audience '{audience}'. Check your "
        "federated identity credential Subject, Audience and Issuer against the presented assertion.",
        "the token of the workload identity was made for somebody else",
        values={"audience": "https://kubernetes.default.svc.cluster.local"},
    ),
    "app-not-found": SigninAnswer(
        400,
        "unauthorized_client",
        700016,
        "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant.",
        "the app is gone from this tenant",
        values={"client_id": _NIL, "tenant": _NIL},
    ),
    "app-disabled": SigninAnswer(
        400,
        "unauthorized_client",
        7000112,
        "Application '{client_id}'({name}) is disabled.",
        "the app is disabled",
        values={"client_id": _NIL, "name": "app"},
    ),
    "tenant-not-found": SigninAnswer(
        400,
        "invalid_tenant",
        90002,
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant.",
        "no such tenant",
        values={"tenant": _NIL},
    ),
    "no-tenant": SigninAnswer(
        400,
        "invalid_request",
        50059,
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
        "client credentials need a tenant's own authority",
    ),
    "bad-scope": SigninAnswer(
        400,
        "invalid_scope",
        1002012,
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI).",
        "the scope is not {graph}/.default",
        values={"scope": "Mail.Read"},
    ),
    "unknown-resource": SigninAnswer(
        400,
        "invalid_resource",
        500011,
        "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You might have sent your authentication request to the wrong tenant.",
        "the scope names a resource other than Graph",
        values={"resource": "https://example.com", "tenant": _NIL},
    ),
    "bad-grant-type": SigninAnswer(
        400,
        "unsupported_grant_type",
        70003,
        "The app requested an unsupported grant type '{grant_type}'.",
        "only client_credentials and refresh_token are known",
        values={"grant_type": "password"},
    ),
    "missing-parameter": SigninAnswer(
        400,
        "invalid_request",
        900144,
        "The request body must contain the following parameter: '{parameter}'.",
        "a parameter is missing",
        values={"parameter": "grant_type"},
    ),
    "signin-throttled": SigninAnswer(
        429,
        "temporarily_unavailable",
        90055,
        "Tenant request exceeded the limit of requests.",
        "too many sign-ins",
        headers={"Retry-After": "10"},
    ),
    "signin-transient": SigninAnswer(
        400, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.", "transient"
    ),
    "signin-busy": SigninAnswer(
        503, "temporarily_unavailable", 90024, "RequestBudgetExceededError: a transient error.", "transient"
    ),
}
