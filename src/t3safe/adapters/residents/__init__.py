"""Who can run t3 on this host, in the user map or not: processes, units and base directories."""

from t3safe.adapters.residents.bases import PasswdBases, SharedBases, look_job, no_bases
from t3safe.adapters.residents.host import HostResidents
from t3safe.adapters.residents.processes import T3Processes, by_mark, by_user

__all__ = [
    "HostResidents",
    "PasswdBases",
    "SharedBases",
    "T3Processes",
    "by_mark",
    "by_user",
    "look_job",
    "no_bases",
]
