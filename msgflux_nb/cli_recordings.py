"""The command ``msgflux-nb recordings``: ``show``, ``check`` and ``again``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import RecordingError, printable
from .storage.recordings.recording import read_recordings

__all__ = ["add_recordings"]


def add_recordings(commands: Any) -> None:
    """Add the commands to a parser."""
    recordings = commands.add_parser("recordings", help="show, check and renew recorded conversations")
    recordings.set_defaults(run=lambda _: recordings.print_help() or 0)
    actions = recordings.add_subparsers(metavar="ACTION")
    show_ = actions.add_parser("show", help="print what a recording, or a folder of them, holds")
    show_.set_defaults(run=show)
    check_ = actions.add_parser("check", help="read everything again, and say what cannot be used")
    check_.add_argument("--live", action="store_true", help="send every request again too; this costs money")
    check_.set_defaults(run=check)
    again_ = actions.add_parser("again", help="ask everything again, with your own key, and replace the recording")
    again_.set_defaults(run=again)
    for action in (show_, check_, again_):
        action.add_argument("path", help="a recording, or a folder of them")
    for action in (check_, again_):
        action.add_argument("--base-url", help="the address of models on your own server")


def show(arguments: argparse.Namespace) -> int:
    """Print the header of each recording and one line per exchange."""
    from .storage.recordings.player import table_of

    for recording in read_recordings(arguments.path):
        header = recording.header
        facts = [header.title, header.date[:10], ", ".join(header.models), header.licence]
        cost = "cost unknown" if header.cost is None else f"${header.cost:,.4f}"
        _print(f"{recording.path}: {len(recording.exchanges)} exchanges, {cost}")
        _print("  " + " · ".join(fact for fact in facts if fact))
        rows = zip(recording.exchanges, table_of([recording])["question"], strict=True)
        for number, (line, question) in enumerate(rows, 1):
            status = "" if line.status is None else str(line.status)
            ended = " ".join(filter(None, (status, "" if line.end == "whole" else line.end)))
            _print(f"{number:>5}  {ended:<12} {line.ms / 1000:>7.2f} s  {question[:70]}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Print problems, or with ``--live`` a line for every exchange; return 1 if something is wrong."""
    from .models.again import check as offline
    from .models.again import check_live

    if arguments.base_url is not None and not arguments.live:
        raise RecordingError("--base-url has an effect only with check --live. Add --live, or leave --base-url out.")
    wrong = total = 0
    for recording in read_recordings(arguments.path):
        found = check_live(recording, arguments.base_url) if arguments.live else offline(recording)
        for finding in found:
            total += 1
            wrong += not finding.ok
            if arguments.live or not finding.ok:
                mark = "ok  " if finding.ok else "FAIL"
                _print(f"{mark}  {recording.path.name} {finding.number}: {finding.verdict}  <- {finding.question[:60]}")
    print(f"{total - wrong} of {total} exchanges are correct.")
    return int(wrong > 0)


def again(arguments: argparse.Namespace) -> int:
    """Record everything again; a file stays if a request that has an answer in it fails now."""
    from .models.again import record_again

    if os.environ.get("MSGFLUX_REPLAY"):
        print("MSGFLUX_REPLAY is set, so nothing would be sent. Unset it first.")
        return 1
    for path in _paths(arguments.path):
        renewed = record_again(
            path,
            arguments.base_url,
            lambda number, line, verdict: _print(f"{number:>5}  {line.asked}: {verdict}"),
        )
        _print(f"{path}: {len(renewed)} exchanges recorded again.")
    return 0


def _print(line: str) -> None:
    """Print what a file holds, so that no terminal obeys it."""
    print(printable(line), flush=True)


def _paths(named: str) -> Iterator[Path]:
    for recording in read_recordings(named):
        yield recording.path
