"""The gate on real parts: every rehearsal is a worker process inside a sandbox of its own."""

from t3safe.adapters.gate.cells import Cells
from t3safe.adapters.gate.sandboxes import PLAIN, UNIT, Sandbox, choose_sandbox, namespace_sandbox
from t3safe.adapters.gate.sandboxgate import SandboxGate

__all__ = [
    "PLAIN",
    "UNIT",
    "Cells",
    "Sandbox",
    "SandboxGate",
    "choose_sandbox",
    "namespace_sandbox",
]
