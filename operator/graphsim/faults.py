"""Fault rules: which calls go wrong, how often, and in which way.

A rule names what it applies to (everything it leaves out is a wildcard) and one effect: an answer instead of the true
one, a connection that is cut, or a delay alone. `after_commit` lets the call do its work first: the state changes and
the client does not learn of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphsim.calls import Call
from graphsim.errors import GraphError, SigninError
from graphsim.randomness import Randomness


@dataclass(slots=True)
class FaultRule:
    """One rule. `count` is how many calls it still spoils (None: no end), `share` how many of the matching ones (0 to 1).

    `skip` lets that many matching calls pass first. `delay_seconds` is real time and comes before the work.
    """

    id: str
    routes: frozenset[str] = frozenset()
    tenant: str | None = None
    mailbox: str | None = None
    client: str | None = None
    subscription: str | None = None
    count: int | None = None
    share: float = 1.0
    skip: int = 0
    error: GraphError | SigninError | None = None
    raw_body: bytes | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_connection: bool = False
    after_commit: bool = False
    delay_seconds: float = 0.0
    hits: int = 0

    @property
    def decides(self) -> bool:
        """True when the rule ends the call, False when it only delays it."""
        return self.drop_connection or self.error is not None or self.status is not None

    def applies_to(self, call: Call) -> bool:
        """Compare a call with what the rule names; ids and mailboxes without regard to case."""
        return (
            (not self.routes or call.route in self.routes)
            and self.client in {None, call.client}
            and self.subscription in {None, call.subscription}
            and self.tenant in {None, call.tenant}
            and (self.mailbox is None or self.mailbox == call.mailbox.lower())
        )


@dataclass(frozen=True, slots=True)
class FaultVerdict:
    """What the rules decided for one call: a real delay in seconds, and the rule that ends it, if any."""

    delay_seconds: float = 0.0
    rule: FaultRule | None = None


NO_FAULT = FaultVerdict()


class Faults:
    """The rules in force, tried in the order in which they were added; the first that decides is the last tried."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._rules: dict[str, FaultRule] = {}

    def add(self, rule: FaultRule) -> None:
        """Put a rule in force."""
        self._rules[rule.id] = rule

    def all(self) -> list[FaultRule]:
        """Answer the rules in force, spent ones included."""
        return list(self._rules.values())

    def clear(self, rule_ids: Iterable[str] | None = None) -> int:
        """Lift the named rules, or all of them; answer how many were in force."""
        named = list(self._rules) if rule_ids is None else [rule_id for rule_id in rule_ids if rule_id in self._rules]
        for rule_id in named:
            del self._rules[rule_id]
        return len(named)

    def verdict(self, call: Call) -> FaultVerdict:
        """Decide what goes wrong with a call, and count it against the rules that had a part in it."""
        if not self._rules:
            return NO_FAULT
        delay = 0.0
        for rule in self._rules.values():
            if rule.applies_to(call) and self._fires(rule):
                delay += rule.delay_seconds
                if rule.decides:
                    return FaultVerdict(delay, rule)
        return FaultVerdict(delay)

    def _fires(self, rule: FaultRule) -> bool:
        if rule.count == 0:
            return False
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if not self._randomness.hits(rule.share):
            return False
        if rule.count is not None:
            rule.count -= 1
        rule.hits += 1
        return True
