"""Node's headers, for packages whose native module has to be compiled.

Install scripts have no network, and node-gyp would fetch the headers from it.  So those are found
that lie on this host and are of the node that the module will run on.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import child

PACKAGED: Final = Path("/usr")
"""Where Debian's libnode-dev puts them: in /usr/include/node."""
_VERSION: Final = Path("include", "node", "node_version.h")
_NUMBER: Final = re.compile(r"^#define NODE_(MAJOR|MINOR|PATCH)_VERSION (\d+)\s*$", re.MULTILINE)
_READ_MAX: Final = 64 * 1024


@frozen
class Headers:
    """The folder whose include/node holds headers, and of which node they are."""

    folder: Path
    version: str

    def fit(self, node: str) -> bool:
        """Whether what is compiled with them runs on this node: one of the same major version."""
        return self.version.partition(".")[0] == node.partition(".")[0]

    @classmethod
    def read(cls, folder: Path) -> Headers | None:
        """Read what lies in a folder; None where no headers do."""
        try:
            with (folder / _VERSION).open("rb") as file:
                text = file.read(_READ_MAX).decode("utf-8", "replace")
        except OSError:
            return None
        parts = dict(_NUMBER.findall(text))
        if len(parts) < len(("MAJOR", "MINOR", "PATCH")):
            return None
        return cls(folder, f"{parts['MAJOR']}.{parts['MINOR']}.{parts['PATCH']}")


def _places(node: str, configured: Path | None) -> tuple[Path, ...]:
    """Where headers are looked for, the best place first; `node` is the program's path.

    What a person configured counts alone.
    """
    if configured is not None:
        return (configured,)
    prefix = (Path(node).resolve().parent.parent,) if node else ()
    return tuple(dict.fromkeys((*prefix, PACKAGED)))


def _fitting(node: str, version: str, configured: Path | None) -> Headers | None:
    """Find headers that fit this node, exactly where there are; None where there are none."""
    read = (Headers.read(place) for place in _places(node, configured))
    found = [headers for headers in read if headers is not None and headers.fit(version)]
    exact = [headers for headers in found if headers.version == version]
    return next(iter((*exact, *found)), None)


@frozen
class NodeHeaders:
    """Finds the headers for one node, and tells node-gyp of them.

    `node` is the node that the units run, a path or a name on our PATH; `configured` is the folder
    that a person named.
    """

    node: str = "node"
    configured: Path | None = None

    def found(self) -> Headers | None:
        """Give the headers that fit, None where there are none."""
        program = shutil.which(self.node) or ""
        version = (child.printed([program, "--version"]) or "").strip().removeprefix("v")
        return _fitting(program, version, self.configured) if program else None

    def __call__(self) -> dict[str, str]:
        """Give the variables by which node-gyp is told, none where there is nothing to tell."""
        found = self.found()
        if found is None:
            return {}
        # By the second name a node-gyp is told from which npm keeps what is no setting of its own.
        names = ("npm_config_nodedir", "npm_package_config_node_gyp_nodedir")
        return dict.fromkeys(names, str(found.folder))
