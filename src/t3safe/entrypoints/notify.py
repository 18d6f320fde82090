"""Notifications: at the end of the timers' commands, and the commands of `notify`."""

from __future__ import annotations

import socket
import sys

import click

from t3safe.adapters.notify import End, Letter, Sent, ends, require, send
from t3safe.domain.errors import JournalError, NotifyError, UnusableError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.metrics import HostMetrics
from t3safe.domain.notices import (
    URGENT,
    Broken,
    Key,
    Notice,
    NoticesFound,
    body,
    due,
    forgiven,
    found,
    heading,
    remembered,
    wanted,
)
from t3safe.domain.versions import Version
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import App, as_json_option
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.metrics import measured
from t3safe.entrypoints.wiring.live import Live


def tell(wired: Live, vitals: HostMetrics, command: str, broken: Broken | None) -> None:
    """Send each destination its due notices; report an error in one line per destination."""
    settings = wired.settings.notify
    now = wanted(found(vitals, command, broken), settings.on)
    try:
        those = _ends(wired)
        if those:
            require()
        before = _recalled(wired)
        letters = [_letter(end, fresh) for end in those if (fresh := _due(end, before, now))]
        sent = {item.end: item for item in send(letters, settings.timeout)}
        after = {end.name: keys for end in those if (keys := _after(end, before, now, sent))}
        for item in sent.values():
            if item.error:
                _warn(wired, f"notification to {item.end} did not go out: {item.error}")
        if after != before:
            wired.notes.keep_notified(after)
    except (NotifyError, JournalError) as error:
        _warn(wired, str(error))


def forgive(wired: Live, build: Version) -> None:
    """Forget that a refusal was sent; report an error in one line."""
    try:
        before = wired.notes.notified()
        after = {end: kept for end, keys in before.items() if (kept := forgiven(keys, build))}
        if after != before:
            wired.notes.keep_notified(after)
    except JournalError as error:
        _warn(wired, str(error))


def _ends(wired: Live) -> tuple[End, ...]:
    settings = wired.settings.notify
    return ends(settings.urls, settings.urls_file)


def _recalled(wired: Live) -> dict[str, frozenset[Key]]:
    """Return what was sent to each destination; if that is unreadable, all is sent again."""
    try:
        return wired.notes.notified()
    except JournalError as error:
        _warn(wired, str(error))
        return {}


def _due(end: End, told: dict[str, frozenset[Key]], now: NoticesFound) -> tuple[Notice, ...]:
    return due(told.get(end.name, frozenset()), now)


def _letter(end: End, notices: tuple[Notice, ...]) -> Letter:
    urgent = any(notice.cause in URGENT for notice in notices)
    return Letter(end, heading(socket.gethostname(), notices), body(notices), urgent)


def _after(
    end: End, told: dict[str, frozenset[Key]], now: NoticesFound, sent: dict[str, Sent]
) -> frozenset[Key]:
    """Return what counts as sent to a destination; without a due notice all was sent."""
    answer = sent.get(end.name)
    went = answer is None or not answer.error
    return remembered(told.get(end.name, frozenset()), now, sent=went)


def _warn(wired: Live, text: str) -> None:
    wired.say(LogLine(LogLevel.WARNING, text))


@click.group()
def notify() -> None:
    """Test notifications, and show what is due and what was sent."""


@notify.command("test")
@as_json_option
@click.pass_obj
def notify_test(app: App, *, as_json: bool) -> None:
    """Send a test message to each destination; exit status 12 if one fails."""
    with app.host("run", aside=as_json) as wired:
        those = _some_ends(wired)
        host = socket.gethostname()
        text = "This is a test. Nothing happened, and you need not do anything."
        letters = [Letter(end, f"t3safe on {host}: test", text) for end in those]
        sent = send(letters, wired.settings.notify.timeout)
    if as_json:
        rows = [{"end": item.end, "sent": not item.error, "why": item.error} for item in sent]
        rendering.print_json("notify-test", rows)
    else:
        for item in sent:
            click.echo(f"{item.end}: {item.error or 'went out'}")
    sys.exit(Exit.LATER if any(item.error for item in sent) else Exit.OK)


def _some_ends(wired: Live) -> tuple[End, ...]:
    those = _ends(wired)
    if not those:
        message = "no destination: set `notify.urls` or `notify.urls_file`"
        raise UnusableError(message)
    return those


@notify.command("show")
@as_json_option
@click.pass_obj
def notify_show(app: App, *, as_json: bool) -> None:
    """Show what each destination would get now, and what it got; send nothing."""
    with app.host("run", aside=as_json) as wired:
        those = _some_ends(wired)
        told = wired.notes.notified()
        vitals = measured(wired)
        wired.close()
    now = wanted(found(vitals), app.settings.notify.on)
    shown = {end.name: _due(end, told, now) for end in those}
    settled = {
        end: [notice for notice in now.notices if notice not in fresh]
        for end, fresh in shown.items()
    }
    if as_json:
        rows = [
            {"end": end, "due": list(map(_row, fresh)), "told": list(map(_row, settled[end]))}
            for end, fresh in shown.items()
        ]
        rendering.print_json("notify", rows)
        return
    for end, fresh in shown.items():
        for notice in fresh:
            click.echo(f"{end}: due: {notice.cause.label}: {notice.text}")
        for notice in settled[end]:
            click.echo(f"{end}: sent: {notice.cause.label}: {notice.text}")
        if not now.notices:
            click.echo(f"{end}: no notice is due")


def _row(notice: Notice) -> dict[str, str]:
    return {"cause": notice.cause.value, "about": notice.about, "text": notice.text}
