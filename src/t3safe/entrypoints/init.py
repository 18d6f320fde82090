"""`t3safe init`: detect a host's settings and write its configuration."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from t3safe.adapters import hostfacts
from t3safe.adapters._support import durable
from t3safe.adapters.hostfacts import STANDARD
from t3safe.adapters.people import caller_name
from t3safe.domain import hostguess
from t3safe.domain.hostguess import HostFacts, OwnerQuestion
from t3safe.domain.scope import Caller, Scope, choose, own_file
from t3safe.entrypoints import settings
from t3safe.entrypoints.app import App, ask, yes_option
from t3safe.entrypoints.settings import SettingsError


@click.command()
@yes_option
@click.option("--print", "only_print", is_flag=True, help="Print the file and write nothing.")
@click.pass_obj
def init(app: App, *, yes: bool, only_print: bool) -> None:
    """Detect the settings of this host and write its configuration; ask only what is unknown."""
    caller = settings.present_caller(os.environ)
    seen = _look(caller)
    guessed = hostguess.guess(seen)
    answers = {
        setting.key: setting
        for question in guessed.questions
        for setting in hostguess.answered(question, _answer(question, yes=yes), caller_name())
    }
    text = hostguess.render(guessed, answers)
    file = app.file or (settings.DEFAULT_FILE if caller.root else _own(caller))
    _check(text, file, caller)
    for problem in guessed.problems:
        click.echo(f"t3safe: {problem}", err=True)
    if only_print:
        click.echo(text, nl=False)
        return
    for line in _write(file, text, yes=yes):
        click.echo(line)
    click.echo("next commands:")
    for command in guessed.following:
        click.echo(f"  {command}")


def _own(caller: Caller) -> Path:
    return Path(own_file(caller, os.environ))


def _look(caller: Caller) -> HostFacts:
    own = not caller.root
    t3, npm = hostfacts.program("t3"), hostfacts.program("npm")
    host, _, port = hostguess.DISPATCH.rpartition(":")
    return HostFacts(
        caller=caller,
        units=hostfacts.units(own=own),
        manager=hostfacts.manager_answers(own=own),
        user_map=hostfacts.there(hostguess.USER_MAP),
        dispatch=hostfacts.listens(host, int(port)),
        t3=t3,
        version=hostfacts.version_of(t3),
        npm=npm,
        node=hostfacts.program("node"),
        registry=hostfacts.registry(npm),
        standard=STANDARD,
        overruled=_overruling(caller),
    )


def _overruling(caller: Caller) -> str:
    """Return the host's file when it would override the person's; else an empty text."""
    if caller.root:
        return ""
    stated = settings.stated_scope(os.environ)
    there = hostfacts.there(str(settings.DEFAULT_FILE))
    chosen = choose(stated, caller, host_file=there, own_file=True)
    return str(settings.DEFAULT_FILE) if chosen is Scope.SYSTEM else ""


def _answer(question: OwnerQuestion, *, yes: bool) -> str:
    """Ask a person; without a terminal, or with `--yes`, take the proposed answer."""
    if not yes and sys.stdin.isatty():
        answer = click.prompt(question.text, default=question.proposed or None, err=True)
        return str(answer).strip()
    if question.proposed:
        return question.proposed
    message = f"unknown {question.key}: {question.text}; `t3safe init` asks at a terminal"
    raise click.UsageError(message)


def _check(text: str, file: Path, caller: Caller) -> None:
    """Check the new configuration before it is written.  Raises SettingsError."""
    with tempfile.TemporaryDirectory(prefix="t3safe-init-") as folder:
        trial = Path(folder, "config.toml")
        trial.write_text(text, encoding="utf-8")
        try:
            settings.load(trial, {"HOME": caller.home}, caller)
        except SettingsError as error:
            text = str(error).replace(str(trial), str(file))
            raise SettingsError(f"{text}; nothing was written") from error


def _write(file: Path, text: str, *, yes: bool) -> Iterator[str]:
    """Write the file; ask before it replaces an existing one, and keep that beside it."""
    try:
        before = file.read_bytes() if file.exists() else None
        if before == text.encode():
            yield f"{file} is as it would be written"
            return
        if before:
            ask(f"replace {file}, and keep it as {file.name}.before?", yes=yes)
            durable.write_file(file.with_name(f"{file.name}.before"), before)
            yield f"kept {file}.before"
        durable.make_folders(file.parent)
        durable.write_file(file, text.encode())
    except OSError as error:
        raise SettingsError(f"{file}: cannot be written: {error.strerror or error}") from error
    yield f"wrote {file}"
