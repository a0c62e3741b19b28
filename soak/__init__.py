"""A simulated month: real processes and real stores, one compressed clock, seeded trouble, and an oracle that believes nobody."""
