"""Random sequences of what people do with the whole program, by seed: real processes on one home folder.

Each step is drawn from the seed and the step's number alone; what the processes do meanwhile depends on the machine, so
a seed is the same sequence of steps, not the same history. After each step the journal, all that was acknowledged, and
the sandbox's own log are compared.
"""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import openpyxl

from bulkremove.sandbox import LoggedRequest, read_log
from tests.cli_fixtures import PROGRAM, Bulkremove, environment, sandbox
from tests.proofs.full_disk import SmallDisk, small_disk
from tests.proofs.program_facts import CALLS, OVER, WINDOW, Facts, ListFile, Report, Told, Violation, require
from tests.proofs.program_observer import Look, look
from tests.proofs.serve_process import Answer, ServeProcess

T = TypeVar("T")

COURSE, BATCH, FIRST = "478346000019501001", "478346000019502001", 478346000019558001
LEARNERS = 1000
SPEED = 12
MOST_ROWS = 22
"""Rows of a file that may run at once; a nightly run holds one with many invalid rows beside more of them."""
PATIENCE = 240.0
"""Seconds in which a job must come to its end if nobody disturbs it. Three waits of five minutes are 75 s at SPEED."""
DAMAGE = ("malformed", "not a database", "Traceback", "unexpected", "disk I/O", "can't be used", "can't be opened")
"""Words that no step may meet while the disk has space."""
FAULTS = (
    *(["ok"],) * 30,
    *(["reset_after_effect", "ok"], ["reset", "ok"], ["503", "ok"], ["truncated_after_effect", "ok"], ["slow:2"]),
    *(["reset", "reset", "reset"], ["reset", "reset_after_effect", "reset"], ["400"], ["number_code"]),
)
"""What the calls for one learner meet."""


@dataclass
class Background:
    """A process of the program that runs beside the steps. ``full``: the disk was full in its time."""

    words: tuple[str, ...]
    process: subprocess.Popen[str]
    expected: frozenset[int]
    full: bool = False


@dataclass
class Played:
    """How a sequence went. ``violation``: the rule that was broken, if one was; ``kinds``: the kinds of its steps."""

    seed: int
    trace: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    violation: Violation | None = None
    calls: int = 0
    without: str = ""
    """Why no step filled the disk; empty where one could."""

    def words(self) -> str:
        """Everything that one needs to go after it."""
        command = f"python -m pytest tests/proofs/test_program_sequences.py --seed {self.seed}"
        return "\n".join(["", f"{self.violation}", f"Replay it: {command}", *self.trace])


def play(
    seed: int, steps: int, folder: Path, program: tuple[str, ...] = PROGRAM, often: tuple[str, ...] = ()
) -> Played:
    """Play the sequence of a seed in an empty folder; ``program`` stands in for the product's processes.

    ``often``: kinds of steps that come more often than in life.
    """
    played = Played(seed)
    with ExitStack() as held:
        disk = held.enter_context(small_disk(folder / "disk"))
        played.without = disk.why_not
        sequence = Sequences(seed, folder, disk, played, program, held)
        sequence.prefer(often)
        try:
            sequence.play(steps)
        except Violation as violation:
            played.violation = violation
        finally:
            sequence.kill_all()
            played.calls = sum(entry.removal is not None for entry in sequence.log())
    return played


class Sequences:
    """One sequence: its processes, its files, and what was acknowledged."""

    def __init__(
        self, seed: int, folder: Path, disk: SmallDisk, played: Played, program: tuple[str, ...], held: ExitStack
    ) -> None:
        self._seed, self._folder, self._disk, self._played = seed, folder, disk, played
        self._dice = random.Random(f"{seed}:world")
        self._nights = folder / "nightly runs"
        self._nights.mkdir()
        self._next = 0
        self._facts = Facts(self._world())
        home = disk.path / "home"
        home.mkdir(mode=0o700)
        at = time.gmtime(time.time() + 60.0)
        (home / "bulkremove.toml").write_text(
            f"max_removals = {LEARNERS * 10}\n"
            f'[[nights]]\nsource = "{self._nights}"\nbaseline_factor = 999\nat = "{at.tm_hour:02}:{at.tm_min:02}"\n'
        )
        told = (str(folder / "log.jsonl"), "--speed", str(SPEED), "--limit", f"{CALLS}/{WINDOW:g}s")
        variables = held.enter_context(sandbox(folder / "world.json", Path(told[0]), *told[1:]))
        env = environment(**variables, PYTHONUNBUFFERED="1")
        self._program = Bulkremove(home, env, program)
        self._sound = Bulkremove(home, env)
        self._serve = ServeProcess(self._program)
        self._serve_failed = False
        self._users_at_start = False
        self._background: list[Background] = []
        self._uploads: list[tuple[str, str, int, str]] = []
        self._void = set[str]()
        """Plans that were shown before a learner's data were erased, which can't be confirmed any more."""
        """Plans that wait: id, hash, removals and file."""
        self._copies: list[tuple[Path, Facts]] = []
        """Backups, and what must be found in each."""
        self._erased_from_files: set[str] = set()
        self._full_for = 0
        self._kinds: dict[str, tuple[int, Callable[[], str | None]]] = {
            "start serve": (30, self._start_serve),
            "stop serve": (2, self._stop_serve),
            "kill serve": (3, self._kill_serve),
            "upload": (4, self._upload),
            "confirm": (9, self._confirm),
            "confirm and kill": (2, self._confirm_and_kill),
            "report from the page": (6, self._page_report),
            "read pages": (1, self._pages),
            "pause": (8, self._pause),
            "resume on the page": (5, self._page_resume),
            "cancel": (2, self._cancel),
            "note": (2, self._note),
            "note on the page": (3, self._page_note),
            "retry": (3, self._retry),
            "approve": (4, self._approve),
            "add user": (2, self._add_user),
            "remove user": (1, self._remove_user),
            "set password": (1, self._set_password),
            "add token": (2, self._add_token),
            "revoke token": (2, self._revoke_token),
            "cut off a command": (2, self._cut_off),
            "run": (6, self._run),
            "resume": (7, self._resume),
            "kill a process": (6, self._kill_background),
            "stop a process": (2, self._stop_background),
            "wait for a process": (3, self._wait_background),
            "list jobs": (4, self._jobs),
            "show job": (1, self._show),
            "doctor": (1, self._doctor),
            "back up": (3, self._backup),
            "put a backup back": (3, self._put_back),
            "forget": (2, self._forget),
            "drop a file for the nightly run": (4, self._drop),
            "nightly": (5, self._nightly),
            "worker": (1, self._worker),
            "fill the disk": (0 if disk.why_not else 3, self._fill),
        }

    def prefer(self, kinds: tuple[str, ...]) -> None:
        """Let these kinds of steps come five times as often."""
        self._kinds |= {kind: (5 * self._kinds[kind][0], self._kinds[kind][1]) for kind in kinds}

    def play(self, steps: int) -> None:
        """All steps and their checks, then the end of everything, and the last check. Raises Violation."""
        self._add_token(role="admin")
        self._serve.token = next(secret for _, secret in self._facts.tokens.values())
        for number in range(1, steps + 1):
            self._dice = random.Random(f"{self._seed}:{number}")
            self._step(number)
            self._check()
        self._end()

    def log(self) -> list[LoggedRequest]:
        """What the sandbox has seen so far."""
        path = self._folder / "log.jsonl"
        return list(read_log(path)) if path.exists() else []

    def kill_all(self) -> None:
        """End every process, whatever it does."""
        self._serve.kill()
        for one in self._background:
            one.process.kill()
            one.process.communicate()
        self._background.clear()

    # Steps

    def _step(self, number: int) -> None:
        if self._full_for:
            self._full_for -= 1
            if not self._full_for:
                self._free()
        if ended := self._serve.ended_by_itself():
            require(self._serve_failed, "refused", f"serve ended by itself: {ended}")
            self._uploads = []
            self._played.trace.append(f"   serve, whose journal had no space, ended: code {ended[0]}")
        names, weights = list(self._kinds), [weight for weight, _ in self._kinds.values()]
        while True:
            kind = self._dice.choices(names, weights)[0]
            self._played.trace.append(f"{number}. {kind} ...")
            said = self._kinds[kind][1]()
            if said is None:
                self._played.trace.pop()
                continue
            full = " (the disk is full)" if self._full_for else ""
            self._played.trace[-1] = f"{number}. {kind}{full}: {said}"
            self._played.kinds.append(kind)
            time.sleep(self._dice.choice((0.0, 0.0, 0.1, 0.4)))
            return

    def _start_serve(self) -> str | None:
        if self._serve.running:
            return None
        said = self._serve.start()
        self._serve_failed, self._uploads = bool(self._full_for), []
        self._users_at_start = bool(self._facts.users)
        require(not said or self._full_for, "refused", f"serve does not start: {said}")
        return said or "listening"

    def _stop_serve(self) -> str | None:
        if not self._serve.running:
            return None
        code, said = self._serve.stop()
        self._uploads = []
        if not self._serve_failed:
            require(code == 0, "refused", f"serve ended with {code}: {said}")
            self._undamaged(said)
        return f"code {code}"

    def _kill_serve(self) -> str | None:
        if not self._serve.running:
            return None
        begun = self._confirm() if self._dice.random() < 0.6 else "nothing begun"
        time.sleep(self._dice.uniform(0.0, 1.5))
        self._serve.kill()
        self._uploads = []
        return f"{begun}, then killed"

    def _upload(self) -> str | None:
        if not self._serve.running or len(self._uploads) > 3:
            return None
        file = self._new_file(self._dice.randint(4, MOST_ROWS - 2))
        made = self._serve.api("POST", f"/plans?name={file.name}", file.text.encode())
        if not self._answered(made, 201):
            return made.text
        plan = made.json
        require(plan["removals"] == len(file.planned), "rows", f"the plan of {file.name}: {made.text}")
        self._uploads.append((plan["id"], plan["plan_hash"], plan["removals"], file.name))
        self._facts.act("uploaded", file.name)
        self._facts.act("read", file.name)
        return file.name

    def _confirm(self) -> str | None:
        if not self._serve.running:
            return None
        if not self._uploads:
            said = self._upload()
            if not self._uploads:
                return said
        plan, plan_hash, removals, name = self._uploads.pop()
        if plan in self._void:
            answer = self._serve.api("POST", f"/plans/{plan}/confirm", {"plan_hash": plan_hash, "removals": removals})
            self._answered(answer, 404, 409)
            return f"{name}, which was shown before an erasure: {answer.status}"
        self._facts.files[name].allowed = True
        if self._dice.random() < 0.3 and self._signed_in():
            answer = self._serve.form(f"/uploads/{plan}/confirm", plan=plan_hash, number=str(removals))
            if not self._answered(answer, 303):
                return answer.text
            job = answer.headers["Location"].rpartition("/")[2]
        else:
            answer = self._serve.api("POST", f"/plans/{plan}/confirm", {"plan_hash": plan_hash, "removals": removals})
            if not self._answered(answer, 201):
                return answer.text
            job = answer.json["job"]
        self._facts.jobs[job] = name
        self._facts.act("confirmed", job)
        return f"{name} is job {job}"

    def _confirm_and_kill(self) -> str | None:
        """The server dies while it stores a plan: the job is there as a whole, or not at all."""
        if not self._serve.running or not self._uploads:
            return None
        plan, plan_hash, _, name = self._uploads.pop()
        self._facts.files[name].allowed = True
        body = json.dumps({"plan_hash": plan_hash}).encode()
        head = (
            f"POST /api/v1/plans/{plan}/confirm HTTP/1.1\r\nHost: 127.0.0.1:{self._serve.port}\r\n"
            f"Authorization: Bearer {self._serve.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self._serve.port), timeout=10) as wire:
            wire.sendall(head.encode() + body)
            time.sleep(self._dice.uniform(0.0, 0.08))
            self._serve.kill()
        self._uploads = []
        return name

    def _page_report(self) -> str | None:
        job = self._chosen(self._facts.jobs)
        if job is None or not self._serve.running:
            return None
        ending = self._dice.choice(("csv", "xlsx", "jsonl"))
        answer = self._serve.api("GET", f"/jobs/{job}/report.{ending}")
        if not self._answered(answer, 200):
            return answer.text
        self._facts.act("reported", job)
        if ending == "jsonl" and job in self._facts.reports:
            numbers = [json.loads(line)["row"] for line in answer.text.splitlines()]
            known = [str(row.number) for row in self._facts.reports[job].rows]
            require(known == numbers, "rows", f"the page's report of {job} has the rows {numbers}")
        return f"{job} as {ending}"

    def _pages(self) -> str | None:
        if not self._serve.running or not self._signed_in():
            return None
        job = self._chosen(self._facts.jobs)
        paths = ["/", "/audit", *([f"/jobs/{job}", f"/jobs/{job}/rows"] if job else [])]
        answers = [self._serve.page(path) for path in paths]
        for answer in answers:
            self._answered(answer, 200, 303, 403)  # a preparer sees no audit log
        return f"{[answer.status for answer in answers]}"

    def _pause(self) -> str | None:
        return self._on_job("pause", "running", "ready")

    def _page_resume(self) -> str | None:
        return self._on_job("resume", "paused", "ready", "running")

    def _cancel(self) -> str | None:
        return self._on_job("cancel", "running", "ready", "paused", "held", "scheduled")

    def _on_job(self, act: str, *states: str) -> str | None:
        job = self._chosen(self._facts.in_state(*states))
        if job is None or not self._serve.running:
            return None
        answer = self._serve.api("POST", f"/jobs/{job}/{act}")
        done = self._answered(answer, 200, 409) and answer.status == 200
        if done and act == "cancel":
            state = answer.json["state"]  # its last row may have been answered meanwhile
            require(state in ("cancelled", "finished"), "kept", f"cancelling {job}: {answer.text}")
            if state == "cancelled":
                self._facts.act("cancelled", job)
        return f"{job}: {answer.status}"

    def _note(self) -> str | None:
        row = self._chosen(self._facts.rows("unknown"))
        if row is None:
            return None
        text = f"looked up {self._dice.randrange(10**9)}"
        done = self._command("note", row[0], str(row[1]), text)
        if done.returncode == 0:
            self._noted(row, text)
        return f"{row}: code {done.returncode}"

    def _page_note(self) -> str | None:
        row = self._chosen(self._facts.rows("unknown"))
        if row is None or not self._serve.running or not self._signed_in():
            return None
        text = f"looked up {self._dice.randrange(10**9)}"
        answer = self._serve.form(f"/jobs/{row[0]}/notes", row=str(row[1]), text=text)
        if self._answered(answer, 303) and answer.headers.get("Location") == f"/jobs/{row[0]}":
            self._noted(row, text)
        return f"{row}: {answer.status}"

    def _noted(self, row: tuple[str, int, str], text: str) -> None:
        self._facts.notes.append((row[0], row[1], text))
        self._facts.act("noted", row[0])

    def _retry(self) -> str | None:
        row = self._chosen(self._facts.rows("not_sent"))
        if row is None:
            return None
        self._facts.files[
            self._facts.jobs[row[0]]
        ].allowed = True  # of a job that was cancelled before its approval, too
        self._start({0, 3, 4, 5, 6}, "retry", row[0], "--yes", "--expect-missing")
        return row[0]

    def _approve(self) -> str | None:
        job = self._chosen(self._facts.in_state("held"))
        if job is None:
            return None
        self._facts.files[self._facts.jobs[job]].allowed = True
        done = self._command("approve", job, "--yes")
        if done.returncode == 0:
            self._facts.act("approved", job)
            self._facts.states[job] = "ready"
        return f"{job}: code {done.returncode}"

    def _add_user(self) -> str | None:
        if len(self._facts.users) > 4:
            return None
        name, role = f"user{self._dice.randrange(10**6)}", self._dice.choice(("approver", "admin"))
        password = f"password {self._dice.randrange(10**9)}"
        done = self._command("users", "add", name, "--role", role, stdin=f"{password}\n")
        if done.returncode == 0:
            self._facts.users[name] = role, password
            self._facts.act("user_added", name)
        return f"{name}: code {done.returncode}"

    def _remove_user(self) -> str | None:
        name = self._chosen(self._facts.users)
        if name is None:
            return None
        admins = [user for user, (role, _) in self._facts.users.items() if role == "admin"]
        is_last_admin = admins == [name] and len(self._facts.users) > 1
        done = self._command("users", "remove", name, codes=frozenset({2 if is_last_admin else 0}))
        if done.returncode == 0:
            del self._facts.users[name]
            self._facts.act("user_removed", name)
        if self._users_at_start:
            self._serve.sign_out()
        return f"{name}: code {done.returncode}"

    def _set_password(self) -> str | None:
        name = self._chosen(self._facts.users)
        if name is None:
            return None
        password = f"another password {self._dice.randrange(10**9)}"
        done = self._command("users", "password", name, stdin=f"{password}\n")
        if done.returncode == 0:
            self._facts.users[name] = self._facts.users[name][0], password
            self._facts.act("password_set", name)
        if self._users_at_start:
            self._serve.sign_out()
        return f"{name}: code {done.returncode}"

    def _add_token(self, role: str = "preparer") -> str | None:
        name = f"program{self._dice.randrange(10**6)}"
        done = self._command("tokens", "add", name, "--role", role)
        if done.returncode == 0:
            token = done.stderr.split()[1]
            self._facts.tokens[token] = name, done.stdout.strip()
            self._facts.act("token_added", token)
            self._try_token(token, 200)
        return f"{name}: code {done.returncode}"

    def _revoke_token(self) -> str | None:
        token = self._chosen([one for one in list(self._facts.tokens)[1:] if one not in self._facts.revoked])
        if token is None:
            return None
        done = self._command("tokens", "revoke", token)
        if done.returncode == 0:
            self._facts.revoked.add(token)
            self._facts.act("token_revoked", token)
            self._try_token(token, 401)
        return f"{token}: code {done.returncode}"

    def _try_token(self, token: str, wanted: int) -> None:
        if self._serve.running:
            bearer = {"Authorization": f"Bearer {self._facts.tokens[token][1]}"}
            self._answered(self._serve.ask("GET", "/api/v1/jobs", None, bearer), wanted)

    def _cut_off(self) -> str:
        """A command is killed at some moment: what it was to do is done, or not."""
        name = f"user{self._dice.randrange(10**6)}"
        job = self._chosen(self._facts.in_state("paused", "running", "ready"))
        backup = ("backup", str(self._folder / f"cut-off-{name}.db"))
        cancel = ("cancel", job) if job else ("jobs",)
        words = self._dice.choice([("users", "add", name, "--role", "approver"), backup, ("jobs",), cancel])
        self._facts.maybe_users.add(name)
        process = subprocess.Popen(
            [*self._program.program, "--home", str(self._program.home), *words],
            env=self._program.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(b"a password of some length\n")
        process.stdin.close()
        try:
            process.wait(timeout=self._dice.uniform(0.1, 0.8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return f"{words}: code {process.returncode}"

    def _run(self) -> str | None:
        if len(self._background) > 2:
            return None
        file = self._new_file(self._dice.randint(4, MOST_ROWS - 2))
        file.allowed = True
        path = self._folder / file.name
        path.write_text(file.text)
        # 4, 6: between the storing of the job and its run, a server may take it up, and bring it to its end.
        self._start({0, 3, 5}, "run", str(path), "--yes", "--expect-missing")
        return file.name

    def _resume(self) -> str | None:
        job = self._chosen(self._facts.in_state("paused", "ready", "running"))
        if job is None or len(self._background) > 2:
            return None
        self._start({0, 3, 4, 5, 6}, "resume", job, "--expect-missing")  # 4: it ended meanwhile
        return job

    def _kill_background(self) -> str | None:
        if not self._background:
            return None
        one = self._background[-1]
        time.sleep(self._dice.uniform(0.0, 1.5))
        one.process.kill()
        return self._ended(one, killed=True)

    def _stop_background(self) -> str | None:
        one = self._chosen(self._background)
        if one is None:
            return None
        time.sleep(self._dice.uniform(0.3, 1.5))
        one.process.send_signal(signal.SIGTERM)
        return self._ended(one, killed=True)

    def _wait_background(self) -> str | None:
        one = self._chosen([one for one in self._background if one.words[0] != "worker"])
        return None if one is None else self._ended(one)

    def _jobs(self) -> str:
        return f"code {self._command('jobs').returncode}"

    def _show(self) -> str | None:
        job = self._chosen(self._facts.jobs)
        return None if job is None else f"{job}: code {self._command('show', job).returncode}"

    def _doctor(self) -> str:
        return f"code {self._command('doctor', codes=frozenset({0, 1, 2, 3, 5, 7})).returncode}"

    def _backup(self) -> str:
        """The copy holds at least what was known before it was made."""
        path = self._folder / f"copy-{self._dice.randrange(10**9)}" / "backup.zip"
        path.parent.mkdir(mode=0o700)
        seen, jobs = list(self._facts.audit), set(self._facts.jobs)
        done = self._command("backup", str(path))
        if done.returncode == 0:
            jobs_command = ("jobs", "--json", "--page", "1")  # no reports: they would be entries of the copy's log
            copy = look(
                Bulkremove(path.parent, self._sound.env),
                [
                    ("restore-backup", str(path), "--yes"),
                    *(("audit", "--json", "-n", "100000"), jobs_command),
                    *(("journal", "accept-restore", "--yes"), ("audit", "verify"), jobs_command),
                ],
            )
            require(not any(one.code for one in copy.said), "audit", f"the copy: {copy.said}")
            _, audit, before, _, verified, after = copy.said
            (restored, *entries) = audit.json
            require(restored["act"] == "restored", "audit", f"the copy: {restored}")
            facts = self._facts.copied(audit=entries, jobs=before.json)
            require("sound" in verified.out, "audit", f"the copy: {verified.out}")
            waiting = all(one["state"] in (*OVER, "paused", "held", "scheduled") for one in after.json)
            require(waiting, "once", f"the copy would go on by itself: {after.out}")
            require(seen == facts.audit[: len(seen)], "audit", "the copy lacks entries that were seen before")
            require(jobs <= set(facts.jobs), "kept", f"the copy lacks jobs: {jobs - set(facts.jobs)}")
            self._copies.append((path, facts))
            self._facts.act("backed_up", path.name)
        return f"code {done.returncode}"

    def _put_back(self) -> str | None:
        """An older journal takes the place of this one, also under processes that use it, and is accepted."""
        if self._full_for or not self._copies:
            return None
        path, facts = self._copies[-1]
        for one in self._background:
            one.full = True  # it may meet the journal before it is accepted
        self._clear_nights()
        self._command("restore-backup", str(path), "--yes")
        time.sleep(self._dice.choice((0.0, 0.0, 0.5)))
        self._command("journal", "accept-restore", "--yes")
        self._facts.put_back(facts)
        self._facts.act("restored", path.name)
        self._uploads = []
        self._serve.sign_out()
        self._check(put_back=True)
        return path.parent.name

    def _forget(self) -> str | None:
        row = self._chosen(self._facts.rows("removed", "not_found"))
        if row is None:
            return None
        done = self._command("forget", row[2], "--yes", codes=frozenset({0, 4}))
        if done.returncode == 0:
            self._facts.forgotten.add(row[2])
            self._erased_from_files.add(row[2])
            self._void |= {plan for plan, *_ in self._uploads}
            self._facts.act("forgot", "")
        else:  # it may have come half way, and says so
            self._facts.maybe_forgotten.add(row[2])
            self._erased_from_files.add(row[2])
            self._uploads = []
        return f"{row[2]}: code {done.returncode}"

    def _drop(self) -> str:
        large = self._dice.random() < 0.4
        many = MOST_ROWS + self._dice.randint(8, 12)
        file = self._new_file(many, invalid=many // 4) if large else self._new_file(self._dice.randint(3, 10))
        file.allowed = not large  # a large one, over the cap of invalid rows, waits for its approval
        (self._nights / f"{file.name}.part").write_text(file.text)
        (self._nights / f"{file.name}.part").rename(self._nights / file.name)
        (self._nights / f"{file.name}.ready").touch()
        return f"{file.name} with {len(file.planned)} removals"

    def _clear_nights(self) -> None:
        """Take away what was taken as a copy for the sandbox, as a real nightly run would have done."""
        copies = self._disk.path / "home" / "sandbox"
        taken = {path.name.rpartition("~")[2] for path in copies.rglob("*.csv") if path.parent != copies}
        for path in self._nights.glob("*.csv"):
            if path.name in taken:
                path.unlink()

    def _nightly(self) -> str | None:
        if any(one.words[0] == "nightly" for one in self._background):
            return None
        self._clear_nights()
        if not any(self._nights.glob("*.csv")):
            self._drop()
        self._start({0, 3, 4, 5, 6}, "nightly")
        return "started"

    def _worker(self) -> str | None:
        if any(one.words[0] == "worker" for one in self._background):
            return None
        self._start({0, 5}, "worker")
        return "started"

    def _fill(self) -> str | None:
        if self._full_for:
            return None
        self._disk.fill(self._dice.choice((0, 0, 1, 4, 16)))
        self._full_for = self._dice.randint(2, 4)
        self._serve_failed = True
        for one in self._background:
            one.full = True
        return f"for {self._full_for - 1} steps more"

    def _free(self) -> None:
        self._disk.free()
        self._full_for = 0
        if ended := self._serve.ended_by_itself():  # it could not even write that a job goes on
            self._played.trace.append(f"   serve had ended: code {ended[0]}")
            self._uploads = []
        elif self._serve.running:  # a server whose journal failed refuses everything until it is started again
            self._serve.stop()
            said = self._serve.start()
            require(not said, "refused", f"serve does not start once there is space: {said}")
            self._uploads, self._users_at_start = [], bool(self._facts.users)
        self._serve_failed = False
        self._played.trace.append("   the disk has space again")
        self._check()

    # Inside

    def _world(self) -> set[str]:
        """Write the sandbox's world; the learners whom it does not know."""
        learners = [str(FIRST + i) for i in range(LEARNERS)]
        missing = {one for one in learners if self._dice.random() < 0.06}
        met = {one: faults for one in learners if (faults := self._dice.choice(FAULTS)) != ["ok"]}
        batch = {"courseId": COURSE, "batchId": BATCH, "name": "B", "learners": sorted(set(learners) - missing)}
        tree = {
            "organisation": "Sequences",
            "client": {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r"},
            "batches": [batch],
            "faults": {"learners": met, "latency": 0.5, "seed": self._seed},
        }
        (self._folder / "world.json").write_text(json.dumps(tree))
        return missing

    def _new_file(self, removals: int, *, invalid: int = 0) -> ListFile:
        """A file of learners whom no other file names; some rows are doubled, and now and then one is invalid."""
        rows, kinds = list[tuple[str, str, str, str]](), list[str]()
        for _ in range(removals):
            rows.append((COURSE, BATCH, str(FIRST + self._next), f"reason {self._dice.randrange(1000)}"))
            kinds.append("planned")
            self._next += 1
            if self._dice.random() < 0.05:
                rows.append(rows[-1])
                kinds.append("duplicate")
        if removals > 12 and not invalid and self._dice.random() < 0.4:
            invalid = 1
        rows += [(COURSE, BATCH, "nobody", "no id")] * invalid
        kinds += ["invalid"] * invalid
        file = ListFile(f"list{len(self._facts.files) + 1}.csv", rows, kinds)
        self._facts.files[file.name] = file
        return file

    def _chosen(self, things: Collection[T]) -> T | None:
        """One of them; None where there is none."""
        return self._dice.choice(list(things)) if things else None

    def _signed_in(self) -> bool:
        """Whether there is a session on the page, opened now if need be."""
        name, (_, password) = next(iter(self._facts.users.items()), ("", ("", "")))
        fresh = self._users_at_start and name and not self._serve.signed_in
        done = self._serve.sign_in(name, password)
        if fresh and not self._serve_failed:
            require(done, "kept", f"{name} can't sign in with the password that was acknowledged last")
            self._facts.act("signed_in", "")
        return done

    def _command(
        self, *words: str, stdin: str | None = None, codes: frozenset[int] = frozenset({0})
    ) -> subprocess.CompletedProcess[str]:
        done = self._program(*words, stdin=stdin)
        if not self._full_for:
            self._undamaged(done.stdout + done.stderr)
            require(done.returncode in codes, "refused", f"{words} ended with {done.returncode}: {done.stderr}")
        return done

    def _start(self, codes: set[int], *words: str) -> None:
        self._background.append(
            Background(words, self._program.start(*words), frozenset(codes), full=bool(self._full_for))
        )

    def _ended(self, one: Background, *, killed: bool = False) -> str:
        """Wait for a process that runs beside the steps, and judge how it ended."""
        self._background.remove(one)
        try:
            out, err = one.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.communicate()
            raise Violation("refused", f"{one.words} does not end within {PATIENCE:g} s") from None
        code = one.process.returncode
        if not one.full:
            self._undamaged(out + err)
            require(code in one.expected or (killed and code in (-9, -15, 5)), "refused", f"{one.words}: {code}, {err}")
        return f"{' '.join(one.words[:2])}: code {code}"

    def _answered(self, answer: Answer, *statuses: int) -> bool:
        """Whether the answer has one of the statuses. Raises Violation for another one that has no reason."""
        if answer.status in statuses:
            return True
        if not self._serve_failed:
            self._undamaged(answer.text)
            require(False, "refused", f"HTTP {answer.status}, not {statuses}: {answer.text[:500]}")
        return False

    def _undamaged(self, said: str) -> None:
        found = [words for words in DAMAGE if words in said]
        require(not found, "sound", said[-2000:])

    # Checks

    def _check(self, *, put_back: bool = False) -> None:
        if self._full_for:  # the journal may not even be opened now; what was acknowledged is asked for later
            self._facts.check_removals([], self.log(), whole=False)
            return
        earlier = self.log()
        over = [job for job, report in self._facts.reports.items() if report.state in OVER]
        again = self._chosen(over)
        found = self._look(without_report=[job for job in over if job != again])
        users, tokens, verified, audit, jobs = found.said
        require("sound" in verified.out, "audit", verified.out)
        self._facts.check_audit(audit.json)
        self._facts.check_people(users.json, tokens.json)
        self._facts.check_jobs(jobs.json)
        for job in reversed([one["job"] for one in jobs.json]):  # the oldest first: a retry follows its job
            if job in found.reports:
                self._facts.act("reported", job)
                rows = [Told.of(json.loads(line)) for line in found.reports[job].splitlines()]
                self._facts.check_report(Report(job, self._facts.jobs[job], self._facts.states[job], rows))
        if put_back:
            self._facts.check_lost(earlier)
        self._facts.check_removals(earlier, self.log(), whole=True)

    def _look(self, without_report: Sequence[str]) -> Look:
        commands = [
            *(["users", "--json"], ["tokens", "--json"], ["audit", "verify"]),
            *(["audit", "--json", "-n", "100000"], ["jobs", "--json"]),
        ]
        found = look(self._sound, commands, without_report=without_report)
        require(found.integrity == "ok", "sound", found.integrity)
        for one in found.said:
            self._undamaged(one.out + one.err)
            require(one.code == 0, "refused", one)
        return found

    def _end(self) -> None:
        """Let everything come to its end, by what a person would do, and look once more."""
        self._dice = random.Random(f"{self._seed}:end")
        if self._full_for:
            self._free()
        self._played.trace.append("The end: everything comes to its end.")
        for one in list(self._background):
            if one.words[0] == "worker":
                one.process.send_signal(signal.SIGTERM)
            self._ended(one, killed=one.words[0] == "worker")
        self._stop_serve()
        self._check()
        until = time.monotonic() + PATIENCE
        while left := self._facts.in_state("paused", "ready", "running"):
            require(time.monotonic() < until, "rows", f"jobs that can't be brought to their end: {left}")
            for job in left:
                done = self._command("resume", job, "--expect-missing", codes=frozenset({0, 3, 4, 5}))
                if reviewed := re.search(r"--rows (\d+)", done.stderr):  # another front end drove it, or it was paused
                    words = ("--rows", reviewed[1], "--expect-missing")
                    self._command("resume", job, *words, codes=frozenset({0, 3, 5}))
            self._check()
        for _ in range(len(self._facts.jobs) + 1):  # a run may have died between its end and its report
            done = self._command("resume", "--expect-missing", codes=frozenset({0, 2, 3, 5}))
            if "no unfinished job" in done.stderr:
                break
        self._check()
        for job in self._facts.in_state("finished"):
            self._check_published(self._facts.reports[job])

    def _check_published(self, report: Report) -> None:
        """A job that came to its end has its report in its place, with the same rows."""
        home = self._disk.path / "home"
        places = [self._folder, home / "reports", home / "sandbox" / "done", home / "sandbox" / "held"]
        found = [path for place in places for path in place.glob(f"{report.job}-report*")]
        if not found:
            there = sorted(f"{path.parent.name}/{path.name}" for place in places for path in place.glob("*"))
            shown = self._command("show", report.job, codes=frozenset(range(9)))
            require(found, "rows", f"the report of {report.job} is nowhere; there are {there}. {shown.stdout}")
        last = max(found, key=lambda path: int((path.stem.partition("-report")[2] or "-1")[1:]))  # one for each run
        rows = {int(row["row"]): (row["status"], int(row["attempts"])) for row in _lines(last)}
        cells = self._facts.files[report.source].rows
        told = {row.number: (row.status, row.attempts) for row in report.rows}
        lost = {number for number in told if number not in rows and cells[number - 2][2] not in self._erased_from_files}
        require(not lost, "rows", f"the report of {report.job} lacks the rows {lost}")
        wrong = {number: one for number, one in rows.items() if told[number] != one}
        require(not wrong, "rows", f"the report of {report.job} tells {wrong}, and the journal {told}")


def _lines(report: Path) -> list[dict[str, Any]]:
    """The lines of a report by their headings; nightly runs write a workbook."""
    if report.suffix == ".xlsx":
        with closing(openpyxl.load_workbook(report)) as book:
            header, *rows = book.worksheets[0].values
        return [dict(zip(map(str, header), row, strict=True)) for row in rows]
    with report.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
