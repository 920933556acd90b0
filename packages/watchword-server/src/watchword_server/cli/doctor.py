"""`watchword doctor`: looks the installation over and says of each thing whether it is well, with the mend.

Changes nothing. The single checks stand in findings.py and store_findings.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import typer
from watchword.clock import system_clock

from watchword_server.cli.denylist_findings import denylist_findings
from watchword_server.cli.failures import FAILED
from watchword_server.cli.findings import Finding, settings_findings
from watchword_server.cli.given import given_of, missing_database, opened_store
from watchword_server.cli.output import JsonFlag, clean, emit_json
from watchword_server.settings.load import Loaded
from watchword_server.settings.problems import SettingsError
from watchword_server.store.port import SchemaMismatch, StoreUnavailable

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(context: typer.Context, json_: JsonFlag = False) -> None:
    """Look the installation over: settings, files, store, clock, keys. Exit code 1 when something is bad.

    Run it where the server runs, as the server's user and with its environment.
    """
    try:
        loaded = given_of(context).load()
    except SettingsError as refused:
        findings = [
            Finding("fail", "settings", f"{p.path}{f' ({p.source})' if p.source else ''}: {p.message}", p.mend)
            for p in refused.problems
        ]
    else:
        findings = settings_findings(loaded) + asyncio.run(_look_into_store(loaded))
        findings += asyncio.run(denylist_findings(loaded.settings))
    if json_:
        emit_json({"ok": _sound(findings), "findings": [_json(finding) for finding in findings]})
    else:
        _print(findings)
    if not _sound(findings):
        raise typer.Exit(FAILED)


def _sound(findings: list[Finding]) -> bool:
    return all(finding.level != "fail" for finding in findings)


async def _look_into_store(loaded: Loaded) -> list[Finding]:
    from watchword_server.cli.store_findings import store_findings  # noqa: PLC0415 - cryptography; `--help` does without

    if missing_database(loaded.settings) is not None:
        return [Finding("ok", "store", "not there yet: it is made at the first start")]
    try:
        async with opened_store(loaded.settings, migrate=False) as store:
            return await store_findings(store, loaded.settings, system_clock)
    except SchemaMismatch as mismatch:
        return [Finding("fail", "store", str(mismatch), "watchword migrate, with the server's own version")]
    except StoreUnavailable as lost:
        return [Finding("fail", "store", str(lost), "see that the database runs and store.url is right")]


def _json(finding: Finding) -> dict[str, Any]:
    return {"level": finding.level, "name": finding.name, "message": finding.message, "mend": finding.mend}


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        typer.secho(f"{finding.level:<4} ", fg=_COLOURS[finding.level], bold=True, nl=False)
        typer.echo(f" {finding.name:<16} {clean(finding.message)}")
        if finding.level != "ok" and finding.mend:
            typer.echo(f"{'':<22} mend: {clean(finding.mend)}")
    counts = Counter(finding.level for finding in findings)
    typer.echo(f"{counts['ok']} well, {counts['warn']} to look at, {counts['fail']} bad")
