"""What every adapter of a port promises, as pytest suites that an adapter's author runs.

Each module has a suite and the bench that it asks for: what it needs to know of the world behind
the port.  Write a bench for your adapter, let a class inherit the suite, and give the fixture that
the suite names (docs/library.md).  Needs the extra `contracts`.
"""

from pkgutil import iter_modules

import pytest

# Else a failed assertion of a suite would not show its values.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))
