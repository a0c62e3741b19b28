"""Crash anywhere: the operator is killed at every call that leaves its process, and its work must end as if it had not been."""
