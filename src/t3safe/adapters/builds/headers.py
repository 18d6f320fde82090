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
_HEADER: Final = Path("include", "node", "node_version.h")
_NUMBER: Final = re.compile(r"^#define NODE_(MAJOR|MINOR|PATCH)_VERSION (\d+)\s*$", re.MULTILINE)
_PARTS: Final = 3
_READ_MAX: Final = 64 * 1024


@frozen
class NodeHeaders:
    """Finds the headers for one node, and tells node-gyp of them.

    `node` is the node that the units run, a path or a name on our PATH.  `configured` is the folder
    that a person named, which counts alone.
    """

    node: str = "node"
    configured: Path | None = None

    def found(self) -> Path | None:
        """Give the folder whose include/node fits this node, exactly where there is one.

        What is compiled with headers runs on every node of the same major version.
        """
        program = shutil.which(self.node)
        if program is None:
            return None
        version = (child.printed([program, "--version"]) or "").strip().removeprefix("v")
        places = [Path(program).resolve().parent.parent, PACKAGED]
        if self.configured is not None:
            places = [self.configured]
        read = {place: _version(place) for place in places}
        major = version.partition(".")[0]
        fitting = [place for place, own in read.items() if own.partition(".")[0] == major != ""]
        return min(fitting, key=lambda place: read[place] != version, default=None)

    def __call__(self) -> dict[str, str]:
        """Give the variables by which node-gyp is told, none where there is nothing to tell."""
        found = self.found()
        # By the second name a node-gyp is told from which npm keeps what is no setting of its own.
        names = ("npm_config_nodedir", "npm_package_config_node_gyp_nodedir")
        return {} if found is None else dict.fromkeys(names, str(found))


def _version(folder: Path) -> str:
    """Read of which node the headers in a folder are; empty where there are none."""
    try:
        with (folder / _HEADER).open("rb") as file:
            text = file.read(_READ_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
    parts = dict(_NUMBER.findall(text))
    return "{MAJOR}.{MINOR}.{PATCH}".format(**parts) if len(parts) == _PARTS else ""
