"""Diagrams are texts that Mermaid takes."""

from __future__ import annotations

from fakes.statechart.mermaid import Link, Node, Style, flowchart

BEGIN = Node("begin", "begin", Style.BEGIN)
STEP = Node("forward select-new", "select-new", Style.STEP)
END = Node("end", "end", Style.END)


def test_a_chart_names_its_nodes_once_and_then_its_links() -> None:
    """What a node is called is told apart from what Mermaid's own words are."""
    assert flowchart([Link(BEGIN, STEP, ""), Link(STEP, END, "done")]) == (
        "```mermaid\n"
        "flowchart TB\n"
        '    n_begin(("begin"))\n'
        '    n_forward_select_new["select-new"]\n'
        '    n_end(["end"])\n'
        "    n_begin --> n_forward_select_new\n"
        '    n_forward_select_new -->|"done"| n_end\n'
        "    classDef s_end fill:#e8eef7,stroke:#5b7aa8,color:#1b2a41\n"
        "    class n_end s_end\n"
        "```"
    )


def test_a_long_label_stands_in_several_lines() -> None:
    """A label does not widen the diagram."""
    text = flowchart([Link(BEGIN, STEP, "failed or not paired (not environment)")])
    assert '|"failed or not paired<br/>(not environment)"|' in text
