"""The migrations, as files of SQL: the numbered ones make the operator's own tables, each once and in order."""

import re
from dataclasses import dataclass
from importlib.resources import files

_NUMBERED = re.compile(r"^(?P<version>\d{4})_(?P<name>\w+)\.sql$")


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One step of the operator's own tables."""

    version: int
    name: str
    text: str


def script(name: str) -> str:
    """The text of an SQL file of this folder, by its name without the ending."""
    return files(__package__ or __name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def numbered() -> tuple[Migration, ...]:
    """The numbered migrations, in order."""
    found = (_NUMBERED.match(entry.name) for entry in files(__package__ or __name__).iterdir())
    return tuple(
        sorted(
            Migration(int(match["version"]), match["name"], script(match.string.removesuffix(".sql")))
            for match in found
            if match
        )
    )


def required_version() -> int:
    """The version of the operator's own tables that this code was written for."""
    return max(migration.version for migration in numbered())
