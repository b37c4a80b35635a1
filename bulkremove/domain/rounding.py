"""Whether the ids of a column look rounded, by a spreadsheet or by a program. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from bulkremove.domain.ids import is_id

MIN_DIGITS = 16
"""A spreadsheet keeps 15 digits, and changes no shorter number; Zoho's own ids are longer."""
MIN_ROUNDED = 2
"""Ids of a column that look rounded, at least."""
_ACCIDENT = 1e-5
"""In how many lists undamaged ids may look rounded by accident. Two of four ids end in 000 in 6 of a million lists."""
_UNLIKELY = 2.0
"""Fewer than so many times the expected number are not a sign."""
_SAMPLE = 10_000
"""Ids that are looked at closely."""
_ZEROS = "000"
Ids = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The trimmed columns of course, batch and learner."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """The sign that a column's ids were rounded: how many different ids show it, in words, and the first by index."""

    ids: int
    text: str
    cause: str
    first: int


def rounding(
    cells: Sequence[str], *, repeated: Ids | None = None, invalid: frozenset[int] = frozenset()
) -> Rounding | None:
    """Whether the long ids among the cells look rounded far more often than chance makes them.

    ``repeated``: all columns, where a row that repeats an earlier one counts once more; ``invalid``: rows that don't.
    """
    different = dict.fromkeys(cells).keys()  # in order: the plan's hash holds what the sample shows
    signs = [*_ending_in_zeros(cells, different, repeated, invalid), *_doubles(different)]
    if not signs:
        return None
    count, (words, cause), rounded = max(signs, key=lambda sign: len(sign[2]))
    first = next(index for index, cell in enumerate(cells) if cell in rounded)
    return Rounding(len(rounded), f"ids {words} ({len(rounded):,} of {count:,} different ones)", cause, first)


_END_IN_ZEROS = f"end in {_ZEROS}", "A spreadsheet"
_ARE_DOUBLES = "are numbers that a computer's calculations round to", "A program that read them as numbers"
"""Each sign in words, and what makes it."""


def _ending_in_zeros(
    cells: Sequence[str], different: Collection[str], repeated: Ids | None, invalid: frozenset[int]
) -> Iterator[tuple[int, tuple[str, str], set[str]]]:
    """The different ids of a column that end in 000, and of how many, if they are too many."""
    chance, rows = 10.0 ** -len(_ZEROS), "\n".join([*cells, ""]).count(f"{_ZEROS}\n")  # fast for a million rows
    if rows < MIN_ROUNDED:
        return
    long_id_count = sum(count for length, count in Counter(map(len, different)).items() if length >= MIN_DIGITS)
    if rows <= _UNLIKELY * chance * long_id_count:
        return
    counts = Counter(filter(_is_long_id, different))
    count = len(counts)
    if repeated:
        triples = Counter(row for index, row in enumerate(zip(*repeated, strict=True)) if index not in invalid)
        for (_, _, id_text), rows_of_it in triples.items():
            if id_text in counts:
                counts[id_text] += rows_of_it - 1
    rounded = {id_text for id_text in counts if id_text.endswith(_ZEROS)}
    if _is_unlikely(sum(counts[id_text] for id_text in rounded), counts.total(), chance):
        yield count, _END_IN_ZEROS, rounded


def _doubles(different: Collection[str]) -> Iterator[tuple[int, tuple[str, str], set[str]]]:
    """The different ids of a column that are numbers of double precision, and of how many, if they are too many.

    Of the ids between two such numbers, one is such a number, and one is how such a number is shown.
    """
    sample = set(filter(_is_long_id, islice(different, None, None, max(1, len(different) // _SAMPLE))))
    chance = max((2.0 / math.ulp(float(id_text)) for id_text in sample), default=1.0)
    rounded = set(filter(_is_double, sample))
    if _is_unlikely(len(rounded), len(sample), chance):
        yield len(sample), _ARE_DOUBLES, rounded


def _is_long_id(id_text: str) -> bool:
    return len(id_text) >= MIN_DIGITS and is_id(id_text)


def _is_double(id_text: str) -> bool:
    """Whether a number of double precision is the id exactly, or is shown as it with zeros for its last digits."""
    number = float(id_text)
    return int(number) == int(id_text) or int(Decimal(repr(number))) == int(id_text)


def _is_unlikely(hits: int, count: int, chance: float) -> bool:
    """Whether at least ``hits`` of ``count`` happen by accident in fewer than one of 100,000 lists."""
    if hits < MIN_ROUNDED or chance >= 1.0 or hits <= _UNLIKELY * chance * count:
        return False
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return ways + hits * math.log(chance) + (count - hits) * math.log1p(-chance) < math.log(_ACCIDENT)
