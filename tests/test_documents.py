"""Documents that can't lie: their tables, commands and links are those of the code."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from importlib import import_module
from pathlib import Path

import click

from benchmarks.__main__ import MEASURES, OLD, renewed
from bulkremove.cli import EXIT_CODES
from bulkremove.cli.program import cli
from bulkremove.config.night_values import NIGHT_PARSERS
from bulkremove.config.values import PARSERS
from bulkremove.domain import errors
from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.job import JobState
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.row import RowState, Status
from bulkremove.domain.version import __version__
from bulkremove.engine.decision_table import RULES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted({*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("tests/**/*.md")} - {ROOT / "CHANGELOG.md"})
OUTCOMES = (DOCS / "outcomes.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")


def test_every_setting_and_every_data_center_is_described() -> None:
    assert f"`us`; also {', '.join(code for code in DATA_CENTERS if code != 'us')} |" in SETTINGS
    top, _, night = SETTINGS.partition("## Nights")
    from_login = {"account"}
    assert set() == {name for name in PARSERS if f"`{name}`" not in top} - from_login - {"speed"}
    assert [] == [name for name in NIGHT_PARSERS if f"`{name}`" not in night]


def test_every_outcome_and_every_exit_code_is_described() -> None:
    assert [] == [
        rule.response_text for rule in RULES.values() if f"| {rule.response_text} | {rule.row_text} |" not in OUTCOMES
    ]
    assert [] == [code for code, words in EXIT_CODES.items() if f"| {code} | {words} |" not in OUTCOMES]
    assert [] == [status for status in Status if f"| `{status.value}` |" not in OUTCOMES]


def test_the_reference_is_what_the_code_says() -> None:
    texts = runpy.run_path(str(DOCS / "make_reference.py"))["texts"]()
    outdated = [path.name for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    assert [] == outdated, "renew it with docs/make_reference.py"


def test_every_document_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [] == [path.name for path in DOCS.glob("*.md") if path.name != "README.md" and f"({path.name})" not in index]


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            if "://" in target or target.startswith("mailto:"):
                continue
            if not linked.exists() or (anchor and anchor not in _anchors(linked)):
                broken.append(f"{page.name}: {target}")
    assert [] == broken


def _anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as they are made where it is shown."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_command_of_the_documents_exists_with_its_options() -> None:
    wrong, count = [], 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        inline = re.findall(r"(?<!`)`(bulkremove [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for command in [line for line in lines if line.startswith("bulkremove ")] + inline:
            count += 1
            if why := _what_is_wrong(command):
                wrong.append(f"{page.name}: {command}: {why}")
    assert [] == wrong
    assert count > 150


def _what_is_wrong(line: str) -> str:
    words = re.sub(r"\s#.*", "", line).replace("'", "").replace('"', "").split()[1:]
    command: click.Command = cli
    options = {name: param for param in cli.params for name in param.opts}
    place = 0
    while place < len(words):
        word = words[place].strip("[].,")
        place += 1
        if word.startswith("-") and word.strip("-"):
            name = word.partition("=")[0]
            if name not in options:
                return f"there is no option {name}"
            param = options[name]
            place += isinstance(param, click.Option) and not param.is_flag and "=" not in word
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]+", word):
            if word not in command.commands:
                return f"there is no command {word}"
            command = command.commands[word]
            options |= {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return ""


def test_the_glossary_has_every_noun_of_the_domain_and_every_state() -> None:
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    nouns = [
        name
        for module in ("row", "table", "operation", "plan", "job", "ledger", "attempt", "clock")
        for name, value in vars(import_module(f"bulkremove.domain.{module}")).items()
        if isinstance(value, type) and value.__module__.endswith(f".{module}")
    ]
    states = [state.value for states in (JobState, RowState, Status, SuspensionReason) for state in states]
    assert len(nouns) > 20
    assert [] == [word for word in (*nouns, *states) if f"`{word}`" not in glossary]


def test_the_index_of_the_decisions_has_each_with_its_title() -> None:
    folder = DOCS / "decisions"
    titles = {path: path.read_text(encoding="utf-8").partition("\n")[0] for path in sorted(folder.glob("0*.md"))}
    lines = [f"| [{path.name[:4]}]({path.name}) | {title.partition('. ')[2]} |" for path, title in titles.items()]
    assert lines == [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if "](" in line]


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_the_error_tree_is_that_of_the_classes() -> None:
    """Each error with its parent, in the docstring and in the code."""
    drawn: dict[str, str] = {}
    path = ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(found[1]) // 4 + 1
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1]
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert drawn == {error.__name__: error.__bases__[0].__name__ for error in classes}


def test_each_promise_has_a_proof_and_each_proof_its_promise() -> None:
    """The first cell of each line of the tables, and the last, against what the proofs say of themselves."""
    lines = (DOCS / "reliability.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.endswith(".py` |")]
    told = {(row[0], row[-1].strip("`")) for row in rows}
    assert told == {
        (promise, path.name) for path in (ROOT / "tests" / "proofs").glob("test_*.py") for promise in _of(path)
    }


def _of(path: Path) -> set[str]:
    """The promises of the figures in a proof."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    figures = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".figure")
    ]
    return {
        ast.literal_eval(constants[first.id] if isinstance(first, ast.Name) else first)
        for first in (figure.args[0] for figure in figures)
    }


def test_a_figure_stands_with_commit_and_date_and_is_marked_when_its_code_has_changed() -> None:
    text = (
        "# B\n<!-- storage measured at 0000000 on 2026-01-01 -->\nold storage\n<!-- end storage -->\n"
        "<!-- start measured at 0000000 on 2026-01-01 -->\nold start\n<!-- end start -->\n"
    )
    done = renewed(text, {"storage": "| new |\n"}, commit="abc1234")
    assert "<!-- storage measured at abc1234 on 20" in done
    assert ("| new |" in done, "old storage" in done) == (True, False)
    assert f"<!-- start measured at 0000000 on 2026-01-01 -->\n{OLD}old start\n" in done  # no such commit is known
    assert done.count(OLD) == renewed(done, {}, commit="abc1234").count(OLD) - 1  # abc1234 is not known either


def test_every_figure_of_the_benchmarks_is_written_by_its_measure() -> None:
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    outside = re.sub(r"<!-- (\w+) measured at .*?<!-- end \1 -->", "", text, flags=re.DOTALL)
    assert "|---" not in outside
    assert all(f"<!-- {name} measured at " in text for name in MEASURES)
