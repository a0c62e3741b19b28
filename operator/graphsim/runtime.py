"""What the HTTP routes share: the world, the fault rules, the quotas, the log of calls and the notifier."""

from dataclasses import dataclass

from graphsim.calls import CallLog
from graphsim.faults import Faults
from graphsim.notifications import Notifier
from graphsim.quotas import QuotaWindows
from graphsim.settings import SimulatorSettings
from graphsim.tls import Authority
from graphsim.world import World


@dataclass(slots=True)
class Runtime:
    """One running simulator. The URLs are set once the servers listen; `graph_url` goes up to and with `/v1.0`."""

    world: World
    faults: Faults
    quotas: QuotaWindows
    log: CallLog
    notifier: Notifier
    authority: Authority
    initial_settings: SimulatorSettings
    graph_url: str = ""
    login_url: str = ""
    control_url: str = ""
