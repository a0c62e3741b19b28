"""A real control plane and a real Postgres on this machine, without a container engine.

``cache``, ``messages``, ``processes`` and ``environment`` need nothing but the standard library, since ``environment`` runs
before there is a virtual environment.
"""
