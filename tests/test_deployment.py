"""deploy/ and its page, without a container engine; tests/container.sh builds and runs the image."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")


def pins(path: Path) -> dict[str, str]:
    """The lines of each package of a lock file, by its name and version."""
    blocks = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
    return {block.split()[0]: block.strip() for block in blocks}


def test_what_builds_the_wheel_is_locked_as_elsewhere() -> None:
    build = pins(DEPLOY / "requirements-build.txt")
    assert "hatchling" in {name.partition("==")[0] for name in build}
    assert build.items() <= pins(ROOT / "requirements-dev.txt").items()


def test_every_file_that_the_image_is_made_of_is_sent_to_the_builder() -> None:
    copied = {
        name.partition("/")[0] if not name.startswith("deploy") else name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_as_a_user_of_its_own_and_ends_by_sigterm() -> None:
    assert re.findall(r"^USER .*", DOCKERFILE, re.MULTILINE) == ["USER 10001:10001"]
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE
    assert 'ENTRYPOINT ["bulkremove"]' in DOCKERFILE  # no shell between the engine's signal and the program
    assert "/healthz" in DOCKERFILE
    assert DOCKERFILE.count("--require-hashes") == DOCKERFILE.count("-r requirements") == 2


def test_the_page_believes_the_address_that_caddy_has() -> None:
    (proxy,) = re.findall(r"BULKREMOVE_PROXY: (\S+)", COMPOSE)
    (caddy,) = re.findall(r"ipv4_address: ([0-9.]+)", COMPOSE)
    (network,) = re.findall(r"subnet: ([0-9.]+)\.0/24", COMPOSE)
    assert proxy == caddy
    assert caddy.startswith(f"{network}.")
    assert "ports" not in COMPOSE.partition("caddy:\n    image")[0]  # only Caddy is reached from outside


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed")
    done = subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")],
        env={"BULKREMOVE_HOST": "bulkremove.example.com", "HOME": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr


def test_the_page_says_what_was_not_run() -> None:
    assert "Not run:" in PAGE
