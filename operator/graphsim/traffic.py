"""Mail that arrives by itself: one stream for each folder that was given a rhythm, driven by the simulated clock."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from graphsim.agenda import Agenda
from graphsim.rhythms import Rhythm

Arrival = Callable[[str, str, float], None]
"""Gets the user id, the folder id and the simulated moment at which a message arrived."""


@dataclass(slots=True)
class Stream:
    """The mail of one folder. `next_at` is None when nothing will arrive any more."""

    user_id: str
    folder: str
    rhythm: Rhythm
    chance: random.Random
    next_at: float | None = None
    arrived: int = 0


class Traffic:
    """Lets messages arrive. Each stream has a chance of its own, so what one mailbox gets does not hang on the others."""

    def __init__(self, agenda: Agenda, arrive: Arrival) -> None:
        self._agenda = agenda
        self._arrive = arrive
        self._streams: dict[tuple[str, str], Stream] = {}

    def start(self, user_id: str, folder: str, rhythm: Rhythm, chance: random.Random, at: float) -> Stream:
        """Let mail arrive in a folder from `at` on; an earlier stream of the folder ends."""
        stream = Stream(user_id, folder, rhythm, chance)
        self._streams[user_id, folder] = stream
        self._plan(stream, at)
        return stream

    def stop(self, user_ids: Iterable[str]) -> int:
        """End the streams of mailboxes; answer how many."""
        named = set(user_ids)
        ending = [key for key in self._streams if key[0] in named]
        for key in ending:
            del self._streams[key]
        return len(ending)

    def all(self) -> list[Stream]:
        """Answer every stream, in the order of the start."""
        return list(self._streams.values())

    def _plan(self, stream: Stream, at: float) -> None:
        stream.next_at = stream.rhythm.next_after(at, stream.chance)
        if stream.next_at is not None:
            self._agenda.add(stream.next_at, partial(self._let_arrive, stream))

    def _let_arrive(self, stream: Stream, at: float) -> None:
        if self._streams.get((stream.user_id, stream.folder)) is not stream:
            return
        stream.arrived += 1
        self._arrive(stream.user_id, stream.folder, at)
        self._plan(stream, at)
