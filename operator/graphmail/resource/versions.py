"""The versions of a resource, by which what was shown later is told from what was shown before."""


def version_number(version: str) -> int:
    """Resource versions of one server are ordered numbers (Kubernetes API concepts, since 1.35 guaranteed); 0 of what is none."""
    return int(version) if version.isdigit() else 0
