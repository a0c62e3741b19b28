"""``make demo``: the operator at work on a real API server and a real Postgres, against a simulated Microsoft Graph."""
