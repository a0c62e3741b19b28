"""Where a Postgres lives: which programs, which folder for its data, and under whose account.

Postgres refuses to run as root. Root's server therefore runs as ``postgres`` or ``nobody``, who must be able to reach the
programs and the data; what lies below a closed folder (``/root``, a folder of pytest) is put into a temporary folder instead.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localstack.messages import LocalStackError
from localstack.processes import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERUSER = "postgres"
OLDEST = 13
"""The first major version with DROP DATABASE … WITH (FORCE), and gen_random_uuid() without an extension."""

USUAL_FOLDERS = (
    "usr/lib/postgresql/*/bin",  # Debian and its kin
    "usr/pgsql-*/bin",  # Red Hat and its kin
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)


@dataclass(frozen=True)
class Placement:
    """Where a server's files are and under whom it runs."""

    base: Path
    """What is removed with the server; the data lie below it, and a copy of the programs if one was needed."""
    programs: Path
    """The folder with ``postgres`` and ``initdb``."""
    account: Account | None
    """Nobody else than the caller when there is none."""

    @property
    def data(self) -> Path:
        """Postgres' data directory."""
        return self.base / "data"

    def environ(self) -> dict[str, str]:
        """The environment for its programs: without the caller's PG variables, which the server heeds too, and in English."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return {**kept, "LC_ALL": "C"}

    def to_json(self) -> dict[str, Any]:
        """As plain data, for ``from_json``."""
        account = [self.account.uid, self.account.gid] if self.account else None
        return {"base": str(self.base), "programs": str(self.programs), "account": account}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Placement:
        """The reverse of ``to_json``. Raises KeyError, TypeError or ValueError for other data."""
        account = Account(*fields["account"]) if fields["account"] else None
        return cls(base=Path(fields["base"]), programs=Path(fields["programs"]), account=account)


def initialise(wanted: Path, programs: Path | None = None) -> Placement:
    """Make an empty database cluster at ``wanted``, or in a temporary folder when its account cannot reach that.

    ``programs`` is the folder with ``postgres`` and ``initdb``; without it one is looked for. Raises LocalStackError when this
    machine has no Postgres, or ``initdb`` fails.
    """
    account = _account()
    programs = programs or find_programs()
    shutil.rmtree(wanted, ignore_errors=True)
    base = _base(wanted, account)
    try:
        if not _may_use(account, programs / "postgres"):
            programs = _copy_programs(programs, base)
        place = Placement(base=base, programs=programs, account=account)
        place.data.mkdir(mode=0o700)
        if account:
            os.chown(place.data, account.uid, account.gid)
        _initdb(place)
    except BaseException:
        shutil.rmtree(base, ignore_errors=True)
        raise
    return place


def find_programs() -> Path:
    """The folder with ``postgres`` and ``initdb``: of PATH, of the system's usual places (newest first), or of pgserver.

    Raises LocalStackError when there is none of version 13 or newer.
    """
    for folder in _candidates():
        if (folder / "initdb").exists() and major_version(folder / "postgres") >= OLDEST:
            return folder
    raise LocalStackError(
        f"no Postgres of version {OLDEST} or newer was found: install it (package postgresql), or use Python 3.11 or 3.12 "
        f"(this is {sys.version_info[0]}.{sys.version_info[1]}), for which PyPI has one: make environment PYTHON=python3.12"
    )


def _candidates() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in USUAL_FOLDERS:
        yield from sorted(Path("/").glob(pattern), key=lambda path: major_version(path / "postgres"), reverse=True)
    if bundled := bundled_programs():
        yield bundled


def bundled_programs() -> Path | None:
    """The programs that the package pgserver carries, if it is installed. Its code is not run."""
    spec = importlib.util.find_spec("pgserver")
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) / "pginstall" / "bin" if locations else None


def major_version(program: Path) -> int:
    """The major version that ``postgres --version`` tells, 0 when it does not run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(found.group(1)) if found else 0


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in (SUPERUSER, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LocalStackError("Postgres does not run as root, and there is neither an account postgres nor nobody; add one")


def _base(wanted: Path, account: Account | None) -> Path:
    if _may_use(account, wanted.parent):
        wanted.mkdir()
        return wanted
    for folder in (tempfile.gettempdir(), "/var/tmp", "/tmp"):  # noqa: S108  # mkdtemp makes a name that nobody can foresee
        if _may_use(account, Path(folder)):
            base = Path(tempfile.mkdtemp(prefix="graphmail-postgres-", dir=folder))
            base.chmod(0o755)
            return base
    raise LocalStackError("Postgres runs under another account than root's, and no temporary folder is open to it")


def _copy_programs(programs: Path, base: Path) -> Path:
    """Copy programs to where the server's account can reach them, and return the folder."""
    if programs == bundled_programs():
        package = programs.parents[1]
        # They find their libraries, which stand beside the package, by a path relative to themselves.
        for folder in (package, package.with_name("pgserver.libs")):
            if folder.is_dir():
                shutil.copytree(folder, base / folder.name, symlinks=True)
        return base / programs.relative_to(package.parent)
    shutil.copytree(programs.parent, base / "postgres", symlinks=True)
    return base / "postgres" / programs.name


def _may_use(account: Account | None, path: Path) -> bool:
    """Whether the account may enter that folder or run that program: the kernel is asked, since there are ACLs too."""
    if not account:
        return os.access(path, os.X_OK)
    question = ["test", "-x", str(path)]
    answer = subprocess.run(question, user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False)
    return answer.returncode == 0


def _initdb(place: Placement) -> None:
    account = place.account
    answer = subprocess.run(
        [
            *(place.programs / "initdb", "-D", place.data, "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        env=place.environ(),
        cwd=place.data,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise LocalStackError(f"initdb failed: {answer.stderr.strip()}")
