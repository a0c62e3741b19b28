"""The mirror lets resources name the receiver's URLs while it is on, and takes them away when it is turned off."""

from dataclasses import replace
from typing import Any

import pytest

from graphmail.mirror.desired import Template, desired, differs
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_CLIENT_STATE
from support.receiving import TENANT, resource
from unit.mirror.test_mirror_credential_annotation import ROW

OFF = Template("mail", "https://desk.example.com/hook")
ON = replace(OFF, lifecycle_url="https://mail.example.com/lifecycle")
PROVIDER = replace(
    ROW, key=replace(ROW.key, tenant=TENANT, provider_id="provider-1"), mailbox="a@example.com", client_state="row-mark"
)


def existing(body: dict[str, Any], *, made_with: str | None = "state") -> GraphMailSubscription:
    held = resource("a@example.com", {"sub-1": made_with})
    return GraphMailSubscription.parse(body | {"status": held["status"]})


def test_while_it_is_on_every_resource_names_its_url() -> None:
    assert desired(PROVIDER, None, ON)["spec"]["lifecycleNotificationURL"] == "https://mail.example.com/lifecycle"
    assert "lifecycleNotificationURL" not in desired(PROVIDER, None, OFF)["spec"]


@pytest.mark.parametrize(("before", "after"), [(OFF, ON), (ON, OFF)], ids=["on", "off"])
def test_turning_it_on_or_off_is_a_difference_once(before: Template, after: Template) -> None:
    row = replace(PROVIDER, client_state="")
    known = existing(desired(row, None, before))
    assert not differs(known, desired(row, known, before))
    assert differs(known, desired(row, known, after))
    assert not differs(existing(desired(row, known, after)), desired(row, known, after))


def test_a_lifecycle_url_of_somebody_else_is_no_difference_for_ever() -> None:
    body = desired(replace(PROVIDER, client_state=""), None, OFF)
    body["spec"]["lifecycleNotificationURL"] = "https://elsewhere.example.com/events"
    known = existing(body)
    assert not differs(known, desired(replace(PROVIDER, client_state=""), known, OFF))


@pytest.mark.parametrize(("template", "told"), [(ON, "row-mark"), (OFF, None)], ids=["on", "off"])
def test_of_an_adopted_subscription_the_receiver_is_told_the_row_s_client_state(
    template: Template, told: str | None
) -> None:
    known = existing(desired(PROVIDER, None, template), made_with=None)
    body = desired(PROVIDER, known, template)
    assert body["metadata"]["annotations"].get(ANNOTATION_CLIENT_STATE) == told
