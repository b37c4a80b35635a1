"""The sample files: a world for the sandbox, and lists of people who are to be removed from it."""

from __future__ import annotations

import shutil
from pathlib import Path

SAMPLES = ("world.json", "leavers.csv", "leavers.xlsx", "mixed.csv", "damaged.xlsx", "template.csv", "template.xlsx")
_PACKAGE = Path(__file__).parents[1]


def copy_samples(folder: Path) -> Path:
    """Copy the sample files to ``folder``, which is made if it is missing; the path of the world. Raises OSError."""
    inside = _PACKAGE / "sample_data"  # of a wheel; in a checkout they lie beside the package
    source = inside if inside.is_dir() else _PACKAGE.parent / "sample_data"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        shutil.copyfile(source / name, folder / name)
    return folder / SAMPLES[0]
