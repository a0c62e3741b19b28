"""One acts, others stand by: who, is decided by a Lease at the API server. Why it is done this way: docs/decisions/election.md."""

from graphmail.election.candidate import Candidate, Move, Record, Standing, Terms
from graphmail.election.client import LeaseClient
from graphmail.election.election import Election, LeadershipLost, Lease, steady
from graphmail.election.ending import LOST

__all__ = [
    "LOST",
    "Candidate",
    "Election",
    "LeadershipLost",
    "Lease",
    "LeaseClient",
    "Move",
    "Record",
    "Standing",
    "Terms",
    "steady",
]
