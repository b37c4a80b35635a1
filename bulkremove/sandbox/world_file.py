"""Load the sandbox's world from a JSON file.

Everything is checked before the sandbox starts, and an error names the place of the mistake. Ids must be strings: a
JSON number may have lost its last digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bulkremove.domain.errors import SandboxError
from bulkremove.domain.hosts import SANDBOX_CLIENT
from bulkremove.sandbox.employees import Employee
from bulkremove.sandbox.faults import KINDS, READ_KINDS, TOKEN_KINDS, Fault, Faults, Latency
from bulkremove.sandbox.world import Batch, Client, Person, World

_ID = re.compile(r"[0-9]{1,19}", re.ASCII)


def load_world(path: Path) -> World:
    """Load the world in the JSON file ``path``. Raises SandboxError, naming the place of the mistake."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "it is not UTF-8")
        raise SandboxError(f"The sandbox's world {path} can't be read: {reason}.") from None
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SandboxError(f"The sandbox's world {path} is not valid JSON: {error}.") from None
    try:
        return parse_world(tree)
    except SandboxError as error:
        raise SandboxError(f"The sandbox's world {path}: {error.message}", hint=error.hint) from None


def parse_world(tree: object) -> World:
    """Build the world that a JSON value describes. Raises SandboxError, naming the place of the mistake."""
    top = _Members("the world", tree, {"organisation", "client", "courses", "batches", "employees", "faults"})
    people: dict[str, Person] = {}
    batches = tuple(_batches(top.array("batches"), people))
    client, faults = _client(top.get("client")), _faults(top.get("faults", {}))
    courses, employees = _courses(top.array("courses", [])), tuple(_employees(top.array("employees", [])))
    return World(top.text("organisation"), client, batches, faults, courses, people, employees)


def _courses(trees: Sequence[object]) -> dict[str, str]:
    courses = {}
    for index, tree in enumerate(trees):
        course = _Members(f"courses[{index}]", tree, {"courseId", "name"})
        courses[_id(f"courses[{index}].courseId", course.get("courseId"))] = course.text("name")
    return courses


def _employees(trees: Sequence[object]) -> Iterator[Employee]:
    texts = ("name", "email", "employeeId", "status", "exit", "joining", "department")
    for index, tree in enumerate(trees):
        where = f"employees[{index}]"
        one = _Members(where, tree, {"erecno", "statusType", *texts})
        name, email, employee_id, status, left, joined, department = (one.text(name, "") for name in texts)
        number = _id(f"{where}.erecno", one.get("erecno"))
        status_type = int(one.number("statusType", 1))
        yield Employee(number, name, email, employee_id, status or "Active", status_type, left, joined, department)


def _client(tree: object) -> Client:
    names = {"client_id", "client_secret", "refresh_token", "grant_codes", "scope", "expires_in", "throttled_with"}
    client = _Members("client", tree, names)
    throttled_with = client.get("throttled_with", 200)
    if not client.text("client_id").startswith(SANDBOX_CLIENT):
        raise SandboxError(
            f"client.client_id must begin with {SANDBOX_CLIENT!r}, so that no real one gets into a world."
        )
    if throttled_with not in (200, 400):
        raise SandboxError("client.throttled_with must be 200 or 400.")
    codes = client.array("grant_codes", [])
    if not all(isinstance(code, str) and code for code in codes):
        raise SandboxError('client.grant_codes must be texts, like ["a-code"].')
    return Client(
        client.text("client_id"),
        client.text("client_secret"),
        client.text("refresh_token"),
        tuple(map(str, codes)),
        client.text("scope", "ZOHOPEOPLE.training.ALL"),
        int(client.number("expires_in", 3600, minimum=1)),
        int(str(throttled_with)),
    )


def _batches(trees: Sequence[object], people: dict[str, Person]) -> Iterator[Batch]:
    """The batches; who their learners are is added to ``people``."""
    keys: set[tuple[str, str]] = set()
    for index, tree in enumerate(trees):
        where = f"batches[{index}]"
        batch = _Members(where, tree, {"courseId", "batchId", "name", "learners"})
        learners = tuple(
            _learner(f"{where}.learners[{i}]", value, people) for i, value in enumerate(batch.array("learners"))
        )
        if len(set(learners)) < len(learners):
            duplicate = next(learner for i, learner in enumerate(learners) if learner in learners[:i])
            raise SandboxError(f"{where}.learners names {duplicate} twice.")
        course, number = (_id(f"{where}.{name}", batch.get(name)) for name in ("courseId", "batchId"))
        if (course, number) in keys:
            raise SandboxError(f"{where} is course {course}, batch {number}, which stands further up already.")
        keys.add((course, number))
        yield Batch(course, number, batch.text("name", ""), learners)


def _learner(where: str, tree: object, people: dict[str, Person]) -> str:
    """A learner id, by itself or with the person behind it."""
    if not isinstance(tree, dict):
        return _id(where, tree)
    learner = _Members(where, tree, {"learnerId", "name", "email", "employeeId", "erecno", "progress"})
    number = _id(f"{where}.learnerId", learner.get("learnerId"))
    name, email, employee_id, erecno = map(learner.text, ("name", "email", "employeeId", "erecno"))
    people[number] = Person(name, email, employee_id, erecno, int(learner.number("progress", 0)))
    return number


def _faults(tree: object) -> Faults:
    names = {
        "learners",
        "calls",
        "every",
        "rates",
        "reads",
        "employees",
        "token",
        "latency",
        "foreign_per_minute",
        "seed",
    }
    faults = _Members("faults", tree, names)
    learners = {
        _id("a learner of faults.learners", learner): _sequence(f"faults.learners.{learner}", texts, KINDS)
        for learner, texts in faults.mapping("learners").items()
    }
    rates = {
        _fault("faults.rates", text, KINDS): _number(f"faults.rates.{text}", rate)
        for text, rate in faults.mapping("rates").items()
    }
    if sum(rates.values()) > 1:
        raise SandboxError("faults.rates must not come to more than 1 together.")
    return Faults(
        learners,
        _numbered("faults.calls", faults.mapping("calls")),
        _numbered("faults.every", faults.mapping("every")),
        rates,
        _sequence("faults.reads", faults.get("reads", []), READ_KINDS),
        _sequence("faults.employees", faults.get("employees", []), READ_KINDS),
        _sequence("faults.token", faults.get("token", []), TOKEN_KINDS),
        _latency(faults.get("latency", 0.0)),
        faults.number("foreign_per_minute", 0.0),
        int(faults.number("seed", 0)),
    )


def _latency(tree: object) -> Latency:
    if not isinstance(tree, dict):
        return Latency(_number("faults.latency", tree))
    latency = _Members("faults.latency", tree, {"median", "tail"})
    median, tail = latency.number("median"), latency.number("tail")
    if not 0 < median < tail:
        raise SandboxError("faults.latency needs a median above 0 and a tail above the median, in seconds.")
    return Latency(median, tail)


def _numbered(where: str, tree: Mapping[str, object]) -> dict[int, Fault]:
    faults = {}
    for number, text in tree.items():
        if not (number.isascii() and number.isdigit() and int(number) >= 1):
            raise SandboxError(f"{where} needs numbers of calls from 1 on, not {number!r}.")
        faults[int(number)] = _fault(f"{where}.{number}", text, KINDS)
    return faults


def _sequence(where: str, tree: object, kinds: frozenset[str]) -> tuple[Fault, ...]:
    if not isinstance(tree, list):
        raise SandboxError(f'{where} must be a list of faults, like ["ok"].')
    return tuple(_fault(f"{where}[{index}]", text, kinds) for index, text in enumerate(tree))


def _fault(where: str, text: object, kinds: frozenset[str]) -> Fault:
    if not isinstance(text, str):
        raise SandboxError(f"{where} must be the name of a fault, not {text!r}.")
    try:
        return Fault.parse(text, kinds)
    except SandboxError as error:
        raise SandboxError(f"{where}: {error.message}", hint=error.hint) from None


def _id(where: str, value: object) -> str:
    if not isinstance(value, str):
        hint = "Write it in quotes: a number may lose its last digits."
        raise SandboxError(f"{where} must be an id as text, not {value!r}.", hint=hint)
    if _ID.fullmatch(value) is None:
        raise SandboxError(f"{where} must be 1 to 19 digits, not {value!r}.")
    return value


def _number(where: str, value: object, minimum: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value < 1e300:
        raise SandboxError(f"{where} must be a number of at least {minimum:g}, not {value!r}.")
    return float(value)


class _Members:
    """Checked access to the members of one JSON object. A member that is unknown, missing or of another type raises."""

    def __init__(self, where: str, tree: object, names: set[str]) -> None:
        if not isinstance(tree, dict):
            raise SandboxError(f"{where} must be an object with members, like {{...}}.")
        if unknown := sorted(set(tree) - names):
            hint = f"It can have: {', '.join(sorted(names))}."
            raise SandboxError(f"{where} has a member {unknown[0]!r} that the sandbox doesn't know.", hint=hint)
        self._where = where
        self._tree: dict[str, object] = tree

    def get(self, name: str, default: object = ...) -> object:
        value = self._tree.get(name, default)
        if value is ...:
            raise SandboxError(f"{self._where} has no member {name!r}.")
        return value

    def text(self, name: str, default: object = ...) -> str:
        value = self.get(name, default)
        if not isinstance(value, str) or (not value and default is ...):
            raise SandboxError(f"{self._where}.{name} must be a text.")  # the value may be a secret: not shown
        return value

    def number(self, name: str, default: object = ..., minimum: float = 0.0) -> float:
        return _number(f"{self._where}.{name}", self.get(name, default), minimum)

    def array(self, name: str, default: object = ...) -> list[object]:
        value = self.get(name, default)
        if not isinstance(value, list):
            raise SandboxError(f"{self._where}.{name} must be a list, like [...].")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        value = self.get(name, {})
        if not isinstance(value, dict):
            raise SandboxError(f"{self._where}.{name} must be an object with members, like {{...}}.")
        return value
