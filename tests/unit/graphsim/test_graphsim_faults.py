import pytest

from graphsim.calls import Call
from graphsim.faults import FaultRule, Faults
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.randomness import Randomness


@pytest.fixture
def faults():
    return Faults(Randomness(11))


def call(**fields):
    given = {"route": "patch", "method": "PATCH", "tenant": "t1", "client": "c1", "mailbox": "Ann@x.example.com"}
    return Call(**(given | fields))


def spoiled(faults, *calls):
    return [faults.verdict(one).rule is not None for one in calls]


def test_a_rule_without_conditions_spoils_every_call(faults):
    faults.add(FaultRule("r", status=500))
    assert spoiled(faults, call(), call(route="token", tenant="")) == [True, True]


@pytest.mark.parametrize(
    "condition",
    [
        {"routes": frozenset({"create"})},
        {"tenant": "t2"},
        {"client": "c2"},
        {"mailbox": "bob@x.example.com"},
        {"subscription": "s2"},
    ],
)
def test_a_rule_leaves_calls_alone_that_it_does_not_name(faults, condition):
    faults.add(FaultRule("r", status=500, **condition))
    assert spoiled(faults, call(subscription="s1")) == [False]


def test_a_rule_names_a_mailbox_without_regard_to_case(faults):
    faults.add(FaultRule("r", status=500, mailbox="ann@x.example.com"))
    assert spoiled(faults, call()) == [True]


def test_a_count_runs_out(faults):
    rule = FaultRule("r", status=500, count=2)
    faults.add(rule)
    assert spoiled(faults, call(), call(), call()) == [True, True, False]
    assert (rule.count, rule.hits) == (0, 2)


def test_the_first_calls_can_pass(faults):
    faults.add(FaultRule("r", status=500, skip=2, count=1))
    assert spoiled(faults, call(), call(), call(), call()) == [False, False, True, False]


def test_a_share_hits_about_so_many_calls_and_the_same_ones_each_run():
    runs = []
    for _ in range(2):
        faults = Faults(Randomness(11))
        faults.add(FaultRule("r", status=500, share=0.25))
        runs.append(spoiled(faults, *(call() for _ in range(1_000))))
    assert runs[0] == runs[1]
    assert 180 < sum(runs[0]) < 320


def test_a_share_of_nothing_hits_nothing(faults):
    faults.add(FaultRule("r", status=500, share=0.0))
    assert not any(spoiled(faults, *(call() for _ in range(100))))


def test_delays_add_up_and_the_first_rule_that_decides_ends_it(faults):
    faults.add(FaultRule("slow", delay_seconds=0.5))
    faults.add(FaultRule("first", status=500, delay_seconds=0.25))
    faults.add(FaultRule("second", drop_connection=True, delay_seconds=8))
    verdict = faults.verdict(call())
    assert (verdict.delay_seconds, verdict.rule.id) == (0.75, "first")


def test_rules_can_be_lifted_one_by_one_or_all(faults):
    for name in "abc":
        faults.add(FaultRule(name, status=500))
    assert faults.clear(["b", "unknown"]) == 1
    assert [rule.id for rule in faults.all()] == ["a", "c"]
    assert faults.clear() == 2
    assert spoiled(faults, call()) == [False]


def test_a_named_answer_is_worded_as_graph_words_it():
    error = GRAPH_ANSWERS["ceiling"].error(minutes=4_230)
    assert (error.status, error.code) == (400, "ExtensionError")
    assert error.message == "Subscription expiration can only be 4230 minutes in the future."


@pytest.mark.parametrize("name", GRAPH_ANSWERS)
def test_every_named_answer_can_be_given_without_values(name):
    error = GRAPH_ANSWERS[name].error()
    assert "{" not in error.message
    assert error.status >= 400


def test_one_use_of_a_named_answer_does_not_change_the_next():
    GRAPH_ANSWERS["throttled"].error().headers["Retry-After"] = "99"
    assert GRAPH_ANSWERS["throttled"].error().headers == {"Retry-After": "10"}
