"""The sweep: finds subscriptions that carry our mark and belong to nobody, and deletes them after a grace time (design, rule 3)."""

from graphmail.sweep.assembly import SweepTools, sweeper
from graphmail.sweep.census import Census
from graphmail.sweep.judgement import Judgement, Owners, Standing, judge
from graphmail.sweep.removal import Removal
from graphmail.sweep.rounds import Rounds
from graphmail.sweep.sightings import PassingSightings, RememberedSightings, Sightings
from graphmail.sweep.strays import Fate, Stray
from graphmail.sweep.sweeper import Look, Sweeper
from graphmail.sweep.walk import Holder, Listed, Walk

__all__ = [
    "Census",
    "Fate",
    "Holder",
    "Judgement",
    "Listed",
    "Look",
    "Owners",
    "PassingSightings",
    "RememberedSightings",
    "Removal",
    "Rounds",
    "Sightings",
    "Standing",
    "Stray",
    "SweepTools",
    "Sweeper",
    "Walk",
    "judge",
    "sweeper",
]
