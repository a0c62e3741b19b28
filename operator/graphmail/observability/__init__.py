"""What can be seen of the operator from outside: logs, metrics, probes and events."""
