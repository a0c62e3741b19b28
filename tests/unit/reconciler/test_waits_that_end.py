"""A mailbox that waits for a person is tried again when that person has acted, whatever else happens in that moment."""

from datetime import timedelta
from typing import Any

import pytest

from graphmail.database import Claim
from graphmail.decision import Action, Policy, decide
from graphmail.fleet import Access
from graphmail.graph import Meaning, SignInError
from graphmail.reconciler.access import NoAccess
from graphmail.reconciler.status import Surroundings, status_reported
from graphmail.reconciler.verdicts import awaiting_credentials, not_its_own
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from support.reconciling import CREDENTIAL, HELD, NOW, SPEC, Begin, Desk, Microsoft, Play, Reply, holding, resource_body


def condition(kind: str, status: str, reason: str) -> dict[str, Any]:
    told = {"message": "somebody must act", "lastTransitionTime": write_time(NOW), "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": reason, **told}


AWAITING: dict[str, Any] = {
    "observedGeneration": 1,
    "observedCredential": "",
    "conditions": [
        condition("Ready", "False", "AwaitingCredentials"),
        condition("Authorized", "Unknown", "AwaitingCredentials"),
    ],
}
STALLED: dict[str, Any] = holding(hours=40) | {
    "conditions": [condition("Ready", "False", "PermissionMissing"), condition("Stalled", "True", "PermissionMissing")]
}
MADE = Reply(201, body=b'{"id": "%s", "expirationDateTime": "2026-11-25T12:00:00Z"}' % HELD.encode())


@pytest.mark.parametrize("meaning", [Meaning.TRANSIENT, Meaning.THROTTLED, Meaning.UNKNOWN])
async def test_the_first_sign_in_with_a_new_credential_may_fail_as_any_other(begin: Begin, meaning: Meaning) -> None:
    failure = SignInError(meaning, "sign-in is away")
    play = begin(Microsoft([MADE], sign_ins=[failure, failure, None]), AWAITING)
    for _ in range(10):
        await play.look()
    assert play.entry.resource.status.subscription_id == HELD


class ChangingDesk(Desk):
    """Refuses the resource as it was, while it is being changed."""

    def __init__(self) -> None:
        super().__init__()
        self.play: Play | None = None

    async def of(self, resource: GraphMailSubscription, claim: Claim | None = None) -> Access:
        if resource.metadata.generation == 2:
            assert self.play is not None
            change(self.play, 3)
            raise NoAccess(awaiting_credentials("it serves another URL"), "fp")
        return await super().of(resource, claim)


def change(play: Play, generation: int) -> None:
    """Somebody changes the spec, and the watch shows it."""
    play.api.body["metadata"]["generation"] = generation
    play.entry.resource = GraphMailSubscription.parse(play.api.body | {"status": play.api.body["status"]})


async def test_what_is_refused_while_it_changes_is_tried_again_as_it_is_then(begin: Begin) -> None:
    desk = ChangingDesk()
    desk.play = play = begin(Microsoft([MADE]), AWAITING, desk=desk)
    change(play, 2)
    for _ in range(5):
        await play.look()
    assert play.entry.resource.status.subscription_id == HELD


class StrictDesk(Desk):
    """Refuses the resource for as long as the row, or a setting, is another one."""

    allows = False

    async def of(self, resource: GraphMailSubscription, claim: Claim | None = None) -> Access:
        if not self.allows:
            raise NoAccess(not_its_own("it serves another mailbox"), CREDENTIAL.fingerprint)
        return await super().of(resource, claim)


async def test_a_row_that_has_its_old_mailbox_back_is_served_within_an_hour(begin: Begin) -> None:
    desk = StrictDesk()
    play = begin(Microsoft([MADE]), {}, desk=desk)
    await play.look()
    refused = play.entry.resource.status.condition("Authorized")
    assert refused is not None
    assert (refused.status, refused.reason) == ("Unknown", "AwaitingCredentials")
    desk.allows = True
    while play.entry.resource.status.subscription_id is None:
        assert play.now() < NOW + timedelta(hours=1)
        await play.look()


FAILING = holding(hours=20) | {"nextAttemptTime": write_time(NOW + timedelta(minutes=50)), "consecutiveFailures": 9}


@pytest.mark.parametrize("status", [AWAITING, STALLED, FAILING], ids=["awaits", "stalled", "backs off"])
def test_a_report_between_a_change_and_the_next_try_does_not_keep_it_from_being_made(status: dict[str, Any]) -> None:
    changed = GraphMailSubscription.parse(with_generation(2, resource_body(status, {})))
    around = Surroundings(NOW, Policy(), synced=True)
    reported = changed.model_copy(update={"status": status_reported(changed, around)})
    before, after = (decide(one, now=NOW, policy=Policy()) for one in (changed, reported))
    assert before.action in {Action.CREATE, Action.RENEW}
    assert after == before


def test_a_report_of_a_suspension_has_seen_it() -> None:
    body = with_generation(2, resource_body(STALLED, {}, SPEC | {"suspend": True}))
    suspended = GraphMailSubscription.parse(body)
    assert status_reported(suspended, Surroundings(NOW, Policy(), synced=True)).observed_generation == 2


def with_generation(generation: int, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "generation": generation}}
