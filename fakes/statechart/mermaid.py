"""Charts as Mermaid flowcharts, which forges render where they show the document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from attrs import frozen


class Style(Enum):
    """How a node looks: the brackets around its name, and its colours."""

    BEGIN = '(("', '"))', ""
    STEP = '["', '"]', ""
    END = '(["', '"])', "fill:#e8eef7,stroke:#5b7aa8,color:#1b2a41"
    ELSEWHERE = '["', '"]', "fill:#f7f1e1,stroke:#a08a4f,color:#3d3417,stroke-dasharray:4 3"

    @property
    def css(self) -> str:
        """What its class says."""
        return self.value[2]

    @property
    def tag(self) -> str:
        """What its class is called in the text of a diagram; `end` alone is a word of Mermaid's."""
        return f"s_{self.name.lower()}"


@frozen
class Node:
    """One node; two nodes of one name differ in `key`."""

    key: str
    name: str
    style: Style

    @property
    def tag(self) -> str:
        """What the node is called in the text of a diagram."""
        return re.sub(r"\W+", "_", f"n {self.key}")


@frozen
class Link:
    """An arrow between two nodes."""

    source: Node
    target: Node
    label: str


_LABEL_WIDTH: Final = 22
"""How many characters of a label stand in one line, as far as its words allow it."""


def flowchart(links: Iterable[Link]) -> str:
    """Draw links from top to bottom, nodes in the order in which they come."""
    links = tuple(links)
    nodes = tuple(dict.fromkeys(node for link in links for node in (link.source, link.target)))
    lines = [
        *(f"{node.tag}{node.style.value[0]}{node.name}{node.style.value[1]}" for node in nodes),
        *(f"{link.source.tag} -->{_text(link.label)} {link.target.tag}" for link in links),
        *_classes(nodes),
    ]
    return "\n".join(["```mermaid", "flowchart TB", *(f"    {line}" for line in lines), "```"])


def _text(label: str) -> str:
    if not label:
        return ""
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) >= _LABEL_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return f'|"{"<br/>".join(lines)}"|'


def _classes(nodes: Iterable[Node]) -> list[str]:
    styled: dict[Style, list[str]] = {}
    for node in nodes:
        if node.style.css:
            styled.setdefault(node.style, []).append(node.tag)
    return [
        line
        for style, tags in styled.items()
        for line in (
            f"classDef {style.tag} {style.css}",
            f"class {','.join(tags)} {style.tag}",
        )
    ]
