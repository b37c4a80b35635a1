"""The units that systemd starts nightly runs, the worker or the page by. Pure text.

They may write to the folders of this program alone, and reach nothing but files and the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkremove.config import DEFAULT_NIGHT

DESCRIPTIONS = {
    "nightly": "Nightly run of bulkremove",
    "worker": "Nightly runs of bulkremove",
    "serve": "bulkremove's page",
}
NIGHT_FAILED = 8
"""The exit code of a nightly run that has failed, and has told so (``exit_codes``)."""
HARDENING = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",  # not ProcSubset=pid, which hides the id of this boot that the ledger needs
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged",  # not ~@resources: the process that reads files limits its own memory
    "UMask=0077",
)


@dataclass(frozen=True, slots=True)
class Start:
    """When a night starts. ``at``: time of the day and zone, as OnCalendar has them.

    ``catches_up``: whether a missed run is made up for.
    """

    night: str
    at: str
    catches_up: bool


def units(
    command: str,
    arguments: Sequence[str],
    *,
    home: Path,
    writable: Iterable[Path],
    user: str,
    on_failure: str | None,
    notice: Sequence[str] = (),
    credentials: Iterable[str] = (),
    start: Start | None = None,
) -> Mapping[str, str]:
    """The units by the names of their files: a service, and after it the timer of nightly runs.

    ``command``: nightly, worker or serve; ``arguments``: its whole command line; ``writable``: the folders that it
    writes to; ``on_failure``: the unit to start when it fails; without one it is a unit of our own that
    runs the command line ``notice``, if there is one; ``credentials``: variables with the files that hold their
    values, ``NAME:FILE`` each; ``start``: of nightly runs, and only of these.
    """
    name = f"bulkremove-{command}" + (f"-{start.night}" if start and start.night != DEFAULT_NIGHT else "")
    told_by = name.replace("bulkremove-", "bulkremove-failed-", 1)
    to_tell = _failure_unit(name, notice, credentials, home=home, user=user) if notice and not on_failure else ""
    on_failure = f"{told_by}.service" if to_tell else on_failure
    description = DESCRIPTIONS[command] + (f", night {start.night}" if start else "")
    paths = " ".join(_word(f"-{path}") for path in writable)  # with "-" it starts without one of them, and says so
    service = [
        "[Unit]",
        f"Description={description}",
        "Wants=network-online.target",
        "After=network-online.target",
        *[f"OnFailure={on_failure}"] * bool(on_failure),
        # without a limit it is started again for ever, and OnFailure= never has its turn
        *["StartLimitIntervalSec=1h", "StartLimitBurst=5"] * (start is None),
        "",
        "[Service]",
        *_start(arguments, credentials, home=home, user=user),
        "TimeoutStopSec=120",
    ]
    if start is not None:
        service += [
            "Type=oneshot",
            "# 3, 4: rows, files or plans wait for a person, who was notified; 5: the next run goes on by itself",
            "SuccessExitStatus=3 4 5",
        ]
    else:
        service += ["Restart=on-failure", "RestartSec=60", "# 2: a setting is wrong", "RestartPreventExitStatus=2"]
    service += [f"ReadWritePaths={paths}", *HARDENING]
    if start is None:
        service += ["", "[Install]", "WantedBy=multi-user.target"]
        return {f"{name}.service": _text(service), **({f"{told_by}.service": to_tell} if to_tell else {})}
    timer = [
        "[Unit]",
        f"Description={description}",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {start.at}",
        f"Persistent={'yes' if start.catches_up else 'no'}",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    both = {f"{name}.service": _text(service), f"{name}.timer": _text(timer)}
    return {**both, **({f"{told_by}.service": to_tell} if to_tell else {})}


def _failure_unit(name: str, notice: Sequence[str], credentials: Iterable[str], *, home: Path, user: str) -> str:
    """The unit that tells people that the service ``name`` has failed."""
    lines = [
        "[Unit]",
        f"Description=Notice that {name} has failed",
        "",
        "[Service]",
        "Type=oneshot",
        *_start(notice, credentials, home=home, user=user),
        f"ReadWritePaths={_word(f'-{home}')}",
        *HARDENING,
    ]
    return _text(lines)


def _start(arguments: Sequence[str], credentials: Iterable[str], *, home: Path, user: str) -> Sequence[str]:
    """The lines with the command, its user, and where its variables stand."""
    return [
        f"ExecStart={' '.join(_word(argument).replace('$', '$$') for argument in arguments)}",
        f"User={_word(user)}",
        "# One VARIABLE=VALUE a line, such as BULKREMOVE_REFRESH_TOKEN; chmod 600",
        f"EnvironmentFile=-{str(home / 'environment').replace('%', '%%')}",
        *[f"LoadCredential={_word(credential)}" for credential in credentials],
    ]


def failure(environ: Mapping[str, str]) -> tuple[str, str]:
    """Subject and text of the notice about a service that has failed; systemd says more in the environment."""
    unit = environ.get("MONITOR_UNIT") or "bulkremove"  # systemd before version 251 names neither
    how = environ.get("MONITOR_SERVICE_RESULT") or "it is not known how"
    status = environ.get("MONITOR_EXIT_STATUS")
    return f"{unit} has failed ({how}). Find out why", (
        f"{unit} has failed ({how}{f', {status}' if status else ''}). `journalctl` of that machine says more. No row "
        "is lost or sent twice by that: the next nightly run goes on with what was begun."
    )


def is_failed_night(environ: Mapping[str, str]) -> bool:
    """Whether the service was a nightly run that came to its end and has failed, as its exit code says."""
    how, status = environ.get("MONITOR_SERVICE_RESULT"), environ.get("MONITOR_EXIT_STATUS")
    return (how, status) == ("exit-code", str(NIGHT_FAILED))


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _word(text: str) -> str:
    """One word of a unit's line, where a percent sign begins a specifier and spaces divide words."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", text) else f'"{escaped}"'
