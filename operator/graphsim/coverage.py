"""The coverage account: when was a watched mailbox without a live subscription, and when did it have spare ones.

Times are simulated seconds since 1970. The account learns of births and deaths in the order of time, each with its
exact moment, so a gap is as long as it really was, however late anybody looked. Spare is what doubles another one of the
same app on the same folder: two apps that read one mailbox each need a subscription, and Graph tells duplicates apart the same way.
"""

from collections import Counter
from dataclasses import dataclass, field

from graphsim.subscriptions import WHOLE_MAILBOX, EndReason, Subscription


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of simulated time; `until` is None while it lasts. `most` is the largest count within it."""

    start: float
    until: float | None
    most: int = 0

    def seconds(self, now: float) -> float:
        """Answer its length in simulated seconds, as of now."""
        return (now if self.until is None else self.until) - self.start


@dataclass(slots=True)
class _Stretch:
    """An interval that is still open, and those that were closed before it."""

    closed: list[Interval] = field(default_factory=list)
    since: float | None = None
    most: int = 0

    def set(self, at: float, level: int) -> None:
        if level > 0:
            self.since = at if self.since is None else self.since
            self.most = max(self.most, level)
        elif self.since is not None:
            if at > self.since:
                self.closed.append(Interval(self.since, at, self.most))
            self.since, self.most = None, 0

    def intervals(self, now: float) -> list[Interval]:
        if self.since is None or self.since >= now:
            return list(self.closed)
        return [*self.closed, Interval(self.since, None, self.most)]


@dataclass(slots=True)
class Ledger:
    """The account of one mailbox, or of one folder in it, since it is watched."""

    since: float
    live: int = 0
    _gaps: _Stretch = field(default_factory=_Stretch)
    _spares: _Stretch = field(default_factory=_Stretch)

    def set(self, at: float, live: int, spare: int) -> None:
        """From `at` on there are `live` subscriptions, of which `spare` double another one."""
        self.live = live
        self._gaps.set(at, 0 if live else 1)
        self._spares.set(at, spare)

    def gaps(self, now: float) -> list[Interval]:
        """Answer the intervals in which no live subscription existed."""
        return self._gaps.intervals(now)

    def duplicates(self, now: float) -> list[Interval]:
        """Answer the intervals in which a subscription doubled another one; `most` is how many did at once."""
        return self._spares.intervals(now)

    def uncovered_seconds(self, now: float) -> float:
        """Answer how long, in sum, no live subscription existed."""
        return sum(gap.seconds(now) for gap in self.gaps(now))


@dataclass(slots=True)
class MailboxCoverage:
    """The accounts of one mailbox: as a whole, and of each folder that is watched or was ever subscribed."""

    mailbox: Ledger
    folders: dict[str, Ledger] = field(default_factory=dict)


class Coverage:
    """Counts the live subscriptions of every mailbox and keeps the accounts of the watched ones."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[_Watcher]] = {}
        self._accounts: dict[str, MailboxCoverage] = {}

    def watch(self, user_id: str, at: float, folders: tuple[str, ...] = ()) -> None:
        """Open the account of a mailbox (or start it anew) at `at`, and one for each of the folder ids."""
        account = MailboxCoverage(Ledger(at), {folder: Ledger(at) for folder in folders})
        self._accounts[user_id] = account
        for folder, _app in self._counts.get(user_id, ()):
            account.folders.setdefault(folder, Ledger(at))
        self._settle(user_id, at)

    def unwatch(self, user_id: str) -> None:
        """Close the account of a mailbox and forget it."""
        self._accounts.pop(user_id, None)

    def accounts(self) -> dict[str, MailboxCoverage]:
        """Answer the accounts of all watched mailboxes, by user id."""
        return dict(self._accounts)

    def began(self, subscription: Subscription, at: float) -> None:
        """A subscription is live from `at` on."""
        self._counts.setdefault(subscription.user_id, Counter())[_watcher(subscription)] += 1
        account = self._accounts.get(subscription.user_id)
        if account is not None:
            account.folders.setdefault(subscription.folder, Ledger(at))
            self._settle(subscription.user_id, at)

    def ended(self, subscription: Subscription, at: float, _reason: EndReason) -> None:
        """A subscription is gone from `at` on."""
        counts, watcher = self._counts[subscription.user_id], _watcher(subscription)
        counts[watcher] -= 1
        if not counts[watcher]:
            del counts[watcher]
        self._settle(subscription.user_id, at)

    def _settle(self, user_id: str, at: float) -> None:
        account = self._accounts.get(user_id)
        if account is None:
            return
        live: Counter[str] = Counter()
        spare: Counter[str] = Counter()
        for (folder, _app), count in self._counts.get(user_id, Counter()).items():
            live[folder] += count
            spare[folder] += count - 1
        account.mailbox.set(at, live.total(), spare.total())
        for folder, ledger in account.folders.items():
            whole = 0 if folder == WHOLE_MAILBOX else live[WHOLE_MAILBOX]
            ledger.set(at, live[folder] + whole, spare[folder])


_Watcher = tuple[str, str]
"""A folder, and the app whose subscription is on it."""


def _watcher(subscription: Subscription) -> _Watcher:
    return subscription.folder, subscription.client_id
