"""What the operator's log says of it at the start."""

from graphmail.runtime import outline
from graphmail.settings import Settings

FIRST, SECOND = "1907133e-5beb-5e51-a677-c99de9869156", "06a4af0c-3f7e-4bd8-9b57-6a0b9a1d2d3c"


def test_the_log_begins_with_who_acts_for_whom_and_whether_at_all() -> None:
    told = outline(Settings.load({}))
    assert told.pop("version")
    assert told == {
        "namespace": "graphmail", "mode": "act", "tenants": "all", "look_ahead_minutes": 1440, "postgres": False,
    }  # fmt: skip


def test_an_operator_that_observes_a_few_tenants_says_which() -> None:
    told = outline(Settings.load({"GRAPHMAIL_MODE": "observe", "GRAPHMAIL_TENANTS": f"{FIRST},{SECOND}"}))
    assert (told["mode"], told["tenants"]) == ("observe", [SECOND, FIRST])
