"""The demo's world in a kind cluster, for people with a container engine. Untested where none runs; see docs/development.md."""
