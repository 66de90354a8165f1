# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outcomes as text, Markdown and a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape

from tests.benchmark.harness import Outcome, Run

_HEAD = ("what", "ours min / med / max", "yardstick", "its min / med / max", "ratio", "bar", "cpu ratio", "floor", "")
_UNITS = {"wall": "s", "cpu": "s", "peak": "MiB"}


def _three(outcome: Outcome, runs: list[Run]) -> str:
    figures = outcome.figures(runs)
    digits = 0 if outcome.row.figure == "peak" else 3
    shown = " / ".join(f"{pick(figures):.{digits}f}" for pick in (min, statistics.median, max))
    return f"{shown} {_UNITS[outcome.row.figure]}"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    cpu, floor = outcome.cpu_ratio, outcome.floor_ratio
    return (
        outcome.row.name, _three(outcome, outcome.ours), outcome.row.yardstick_name, _three(outcome, outcome.yardstick),
        f"{outcome.ratio:.3f}", f"{outcome.row.limit:g}", "" if cpu is None else f"{cpu:.3f}",
        "" if floor is None else f"{floor:.3f}",
        "" if outcome.reached else "above",
    )


def notes(outcomes: Sequence[Outcome], left_out: Sequence[str]) -> list[str]:
    """Sentences on what was not found."""
    missing: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.row.instead_of:
            missing.setdefault(outcome.row.instead_of, []).append(outcome.row.name)
    found = [f"Not found: {name}. Compared with a floor measured in the same run: {'; '.join(rows)}."
             for name, rows in missing.items()]
    found += [f"Above its bar: {one.row.name}. {one.row.why}" for one in outcomes if not one.reached and one.row.why]
    return [*found, *(f"Left out: {reason}." for reason in left_out)]


def text(outcomes: Sequence[Outcome], left_out: Sequence[str]) -> str:
    table = [_HEAD, *map(_cells, outcomes)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*lines, "", *notes(outcomes, left_out)]).rstrip() + "\n"


def markdown(outcomes: Sequence[Outcome], left_out: Sequence[str]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (_HEAD, *map(_cells, outcomes))]
    lines.insert(1, "|" + "---|" * len(_HEAD))
    return "\n".join([*lines, "", *notes(outcomes, left_out)]).rstrip() + "\n"


def svg(outcomes: Sequence[Outcome]) -> str:
    """Bars of the ratios, each as a part of what is allowed for; the line is the bar."""
    height, left, scale = 24, 330, 300
    bottom = 30 + height * len(outcomes)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + 2 * scale + 120}" height="{bottom + 10}" '
             'font-family="sans-serif" font-size="12">',
             f'<text x="{left}" y="16">ratio to the yardstick as a part of the bar</text>']
    for number, outcome in enumerate(outcomes):
        top = 26 + number * height
        part = outcome.ratio / outcome.row.limit
        width = min(part, 2.0) * scale
        colour = "#2a7f3f" if outcome.reached else "#b3412e"
        parts += [f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(outcome.row.name)}</text>',
                  f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{height - 6}" fill="{colour}"/>',
                  f'<text x="{left + width + 6:.1f}" y="{top + 14}">{outcome.ratio:.3f} of {outcome.row.limit:g}</text>']
    parts += [f'<line x1="{left + scale}" y1="22" x2="{left + scale}" y2="{bottom}" stroke="#444"/>', "</svg>"]
    return "\n".join(parts) + "\n"
