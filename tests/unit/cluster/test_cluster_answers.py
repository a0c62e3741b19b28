"""When a call of the API server is worth another try, and how soon."""

import json

import pytest
import yaml

from graphmail.cluster import ClusterError, ClusterUnavailable, _worth_another_try, encoded, read_answer


@pytest.mark.parametrize(
    ("status", "retry_after", "again"),
    [
        pytest.param(429, "2", 2.0, id="when it said so"),
        pytest.param(503, "", True, id="soon where it said nothing"),
        pytest.param(503, "0", True, id="soon where it said at once"),
        pytest.param(503, "Wed, 21 Oct 2026 07:28:00 GMT", True, id="soon where it is no number of seconds"),
        pytest.param(429, "60", False, id="not by waiting for so long"),
        pytest.param(403, "2", False, id="not what is refused"),
    ],
)
def test_a_call_that_failed_is_tried_again(status: int, retry_after: str, *, again: float | bool) -> None:
    with pytest.raises(ClusterError) as failed:
        read_answer(status, b"{}", retry_after)
    assert _worth_another_try(failed.value) == again
    assert type(_worth_another_try(failed.value)) is type(again)


def test_a_server_that_cannot_be_reached_is_tried_again() -> None:
    assert _worth_another_try(ClusterUnavailable(0, "TimeoutError", "cannot be reached")) is True


def test_a_right_that_is_missing_is_named_and_a_webhook_s_refusal_is_none() -> None:
    rbac = ClusterError(
        403, "Forbidden", 'x is forbidden: User "a" cannot patch resource "things/status" in API group "g"'
    )
    webhook = ClusterError(403, "Forbidden", 'admission webhook "w" denied the request: not today')
    assert rbac.missing_right == "patch things/status"
    assert "the right to patch things/status " in (rbac.grant or "")
    assert webhook.missing_right is webhook.grant is None


@pytest.mark.parametrize(
    ("text", "read"),
    [("\u00fc\u20ac\U0001d538", None), ('\x7f\x85\ufeff\uffff "\\\n', None), ("half \ud835", "half \ufffd")],
)
def test_what_is_sent_reads_alike_as_json_and_as_yaml(text: str, read: str | None) -> None:
    expected = {"message": text if read is None else read}
    assert json.loads(encoded({"message": text})) == expected
    assert yaml.safe_load(encoded({"message": text})) == expected
