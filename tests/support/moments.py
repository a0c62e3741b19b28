"""Moments that people write into a resource, and that no clock shows."""

LONG_AGO, FAR_AWAY = "0001-01-01T00:00:00Z", "2099-12-31T23:59:59Z"
BEYOND_UTC = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
"""UTC has no such year."""
MEANINGLESS = ("0000-01-01T00:00:00Z", "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00x1Z")
"""The API server takes them for a date-time all the same: it looks at the form alone (tried with 1.36)."""
ANY = (LONG_AGO, FAR_AWAY, "9999-12-31T23:59:59Z", *BEYOND_UTC, *MEANINGLESS)
