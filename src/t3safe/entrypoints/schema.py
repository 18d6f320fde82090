"""`t3safe schema`: what a command prints with `--json`, as a JSON Schema."""

from __future__ import annotations

import json

import click

from t3safe.entrypoints.shapes import SHAPES
from t3safe.entrypoints.shapes import schema as schema_of


@click.command()
@click.argument("name", metavar="[COMMAND]", default="")
def schema(name: str) -> None:
    """Print the JSON Schema of what COMMAND prints with --json; without one, list them all.

    A document names its schema itself (`t3safe/status/1`); its second part is taken as well.
    """
    if not name:
        for kind, shape in SHAPES.items():
            click.echo(f"{kind}: {', '.join(shape.commands)}")
        return
    kinds = [kind for kind, shape in SHAPES.items() if name in shape.commands]
    kind = kinds[0] if kinds else name
    if kind not in SHAPES:
        message = f"no document of {name!r}; these are: {', '.join(SHAPES)}"
        raise click.UsageError(message)
    click.echo(json.dumps(schema_of(kind), indent=2))
