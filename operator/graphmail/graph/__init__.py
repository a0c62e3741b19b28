"""Microsoft Graph: the client, sign-in, what their answers mean, and the quota. Knows no Kubernetes and no Postgres."""

from graphmail.graph.caller import Observer
from graphmail.graph.client import GraphClient
from graphmail.graph.errors import GraphError, GraphRefused, GraphUnreachable, MicrosoftError, NoTurn, SignInError
from graphmail.graph.mail import mail_resource, same_resource, well_known
from graphmail.graph.marker import Marker, add_marker, read_marker, without_marker
from graphmail.graph.meaning import Meaning
from graphmail.graph.quota import Budget, Turn
from graphmail.graph.signin import SignIn, with_fresh_token
from graphmail.graph.spending import CallKind, KindLimit, Limits, Priority, Spender
from graphmail.graph.subscription import MAX_CLIENT_STATE, Subscription, SubscriptionRequest
from graphmail.graph.tokens import Token
from graphmail.graph.transport import Timeouts

__all__ = [
    "MAX_CLIENT_STATE",
    "Budget",
    "CallKind",
    "GraphClient",
    "GraphError",
    "GraphRefused",
    "GraphUnreachable",
    "KindLimit",
    "Limits",
    "Marker",
    "Meaning",
    "MicrosoftError",
    "NoTurn",
    "Observer",
    "Priority",
    "SignIn",
    "SignInError",
    "Spender",
    "Subscription",
    "SubscriptionRequest",
    "Timeouts",
    "Token",
    "Turn",
    "add_marker",
    "mail_resource",
    "read_marker",
    "same_resource",
    "well_known",
    "with_fresh_token",
    "without_marker",
]
