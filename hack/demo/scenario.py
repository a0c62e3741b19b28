"""The demo's world as data: three tenants, their mail providers, how each begins, and what the operator must make of it.

What is started, told and checked derives from ``PROVIDERS``; a row more there is a provider more everywhere.
"""

from __future__ import annotations

from datetime import timedelta

from demo.provider import Afterwards, Earlier, Expected, Provider, SignIn, Tenant

CREATED = Expected(Afterwards.NEW, ready=True, reason="Subscribed", events=frozenset({"Created"}), marked=True)
RENEWED = Expected(
    Afterwards.KEPT, ready=True, reason="Subscribed", events=frozenset({"Adopted", "Renewed"}), marked=True
)
ADOPTED = Expected(Afterwards.KEPT, ready=True, reason="Subscribed", events=frozenset({"Adopted"}))
STALLED = Expected(
    Afterwards.KEPT,
    ready=False,
    reason="ReauthorizationRequired",
    authorized="False",
    stalled=True,
    events=frozenset({"ReauthorizationRequired"}),
    held=False,
    result="failure",
    provider_status="error",
)
WAITING = Expected(
    Afterwards.NOTHING,
    ready=False,
    reason="AwaitingCredentials",
    authorized="Unknown",
    held=False,
    result=None,
    provider_status="configuring",
    called=False,
)
LEFT_ALONE = Expected(
    Afterwards.KEPT,
    ready=False,
    reason="Suspended",
    events=frozenset({"Suspended"}),
    authorized=None,
    held=False,
    result=None,
    called=False,
)
TAKEN_AWAY = Expected(
    Afterwards.NOTHING,
    ready=False,
    reason="Suspended",
    events=frozenset({"Adopted", "Deleted"}),
    held=False,
    provider_status="disconnected",
)

CONTOSO = Tenant("Contoso", "contoso.example")
FABRIKAM = Tenant("Fabrikam", "fabrikam.example")
NORTHWIND = Tenant("Northwind Managed Services", "northwind.example")
TENANTS = (CONTOSO, FABRIKAM, NORTHWIND)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

PROVIDERS = (
    Provider(
        "never registered",
        CONTOSO,
        "support@contoso.example",
        story="Somebody has consented; there has never been a subscription.",
        becomes="A subscription is created.",
        expected=CREATED,
        health_rows=0,
    ),
    Provider(
        "about to expire",
        CONTOSO,
        "helpdesk@contoso.example",
        story="3 hours are left, and the access token has run out.",
        becomes="The token is refreshed, and the subscription renewed under its id.",
        expected=RENEWED,
        sign_in=SignIn.USER_STALE,
        earlier=Earlier(3 * _HOUR),
        health_rows=2,
    ),
    Provider(
        "known to Postgres, not to us",
        CONTOSO,
        "billing@contoso.example",
        story="The product made its subscription; 3 days are left.",
        becomes="It is adopted as it is: nothing is due yet.",
        expected=ADOPTED,
        earlier=Earlier(3 * _DAY),
    ),
    Provider(
        "polling",
        CONTOSO,
        "sales@contoso.example",
        story="The product gave up on webhooks and polls the mailbox.",
        becomes="It is subscribed all the same; the first notification ends the polling.",
        expected=CREATED,
        polling=True,
    ),
    Provider(
        "inactive",
        CONTOSO,
        "projects@contoso.example",
        story="Switched off in the product, but its subscription lives on at Graph.",
        becomes="The subscription is deleted at Graph.",
        expected=TAKEN_AWAY,
        earlier=Earlier(2 * _DAY),
        active=False,
    ),
    Provider(
        "about to expire, app-only",
        FABRIKAM,
        "service@fabrikam.example",
        story="5 hours are left; the app signs in with its own secret.",
        becomes="The subscription is renewed under its id.",
        expected=RENEWED,
        sign_in=SignIn.APP,
        earlier=Earlier(5 * _HOUR),
    ),
    Provider(
        "expired, gone at Graph",
        FABRIKAM,
        "it@fabrikam.example",
        story="It expired two days ago; the row still names the old id.",
        becomes="A new subscription takes its place.",
        expected=CREATED,
        sign_in=SignIn.APP,
        earlier=Earlier(-2 * _DAY),
    ),
    Provider(
        "paused",
        FABRIKAM,
        "orders@fabrikam.example",
        story="Somebody has paused the mailbox in the product.",
        becomes="No call is made; the subscription is left to expire.",
        expected=LEFT_ALONE,
        sign_in=SignIn.APP,
        earlier=Earlier(6 * _HOUR),
        paused="manual",
    ),
    Provider(
        "consent revoked",
        FABRIKAM,
        "accounts@fabrikam.example",
        story="4 hours are left, and the user has revoked the consent.",
        becomes="It stalls at once and says what a person must do.",
        expected=STALLED,
        sign_in=SignIn.USER_REVOKED,
        earlier=Earlier(4 * _HOUR),
    ),
    Provider(
        "paused after failed sign-ins, now mended",
        NORTHWIND,
        "alerts@northwind.example",
        story="The product paused it when sign-in failed; consent was given anew.",
        becomes="This pause does not stop the operator: the mailbox is subscribed again.",
        expected=CREATED,
        earlier=Earlier(-1 * _DAY),
        paused="auth_failure",
    ),
    Provider(
        "without credentials yet",
        NORTHWIND,
        "onboarding@northwind.example",
        story="The form was saved, and nobody has signed in.",
        becomes="It waits, and that is no failure.",
        expected=WAITING,
        sign_in=SignIn.NOTHING,
        health_rows=0,
    ),
    Provider(
        "one mailbox in two tenants (1)",
        CONTOSO,
        "servicedesk@contoso.example",
        story="Contoso reads its service desk's mailbox itself...",
        becomes="It has a subscription of its own.",
        expected=CREATED,
    ),
    Provider(
        "one mailbox in two tenants (2)",
        NORTHWIND,
        "servicedesk@contoso.example",
        story="... and Northwind, who runs it for them, reads it too.",
        becomes="So has this one; neither takes the other's for a spare.",
        expected=CREATED,
    ),
)

FORCED = next(provider for provider in PROVIDERS if provider.expected is ADOPTED)
"""The one whose renewal a person forces in the demo."""
WRITTEN_TO = next(provider for provider in PROVIDERS if provider.polling)
"""The one that a message arrives for."""
