"""The reconciler: claim, decide, act, record, for one resource. It knows no Kopf."""

from graphmail.reconciler.access import AccessDesk
from graphmail.reconciler.farewell import Farewell
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.journal import Journal, Threshold
from graphmail.reconciler.weather import Weather
from graphmail.reconciler.work import Reconciler

__all__ = ["AccessDesk", "Farewell", "Hands", "Journal", "Reconciler", "Threshold", "Weather"]
