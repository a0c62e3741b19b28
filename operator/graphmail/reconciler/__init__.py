"""The reconciler: decide, wait for a turn, claim, act, settle, for one resource. It knows no Kopf."""

from graphmail.reconciler.access import AccessDesk
from graphmail.reconciler.assembly import put_together
from graphmail.reconciler.credential_files import CredentialFiles
from graphmail.reconciler.farewell import Farewell
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.journal import Journal, Threshold
from graphmail.reconciler.work import Reconciler

__all__ = [
    "AccessDesk",
    "CredentialFiles",
    "Farewell",
    "Hands",
    "Journal",
    "Reconciler",
    "Threshold",
    "put_together",
]
