"""The geometry of a key result's chart: dates and exact progress in, SVG coordinates out.

Nothing is computed about progress here; a share of 1 is the top of the plot. A day's point stands at the *end* of the
day, where progress.md section 6 counts it as elapsed, so the pace line is the plot's diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, Protocol

MarkerKind = Literal["scope", "target", "check_in"]

LABEL_GAP = 15  # px between two direct labels, so that neither covers the other
TICK_GAP = 48  # px between two days on the axis, for the same reason
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Place(Protocol):
    """Tells where a day stands on the horizontal axis."""

    def __call__(self, day: date, *, at_end: bool = True) -> float: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """Both numbers at the end of one day, each 0..1 or None, with the words in which people read them."""

    on: date
    outcome: Fraction | None
    work: Fraction | None
    outcome_display: str = "–"
    work_display: str = "–"


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened to the key result on one day."""

    on: date
    kind: MarkerKind
    words: str


@dataclass(frozen=True, slots=True)
class Label:
    """A word in the drawing; `anchor` as in SVG's text-anchor."""

    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Glyph:
    """A marker on the rail below the plot; several of one kind on one day are one glyph."""

    x: float
    y: float
    kind: MarkerKind
    words: str


@dataclass(frozen=True, slots=True)
class Box:
    """The plot's rectangle in the drawing."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that the SVG template needs: paths as `d` attributes, positions in user units (px at scale 1)."""

    width: int
    height: int
    box: Box
    outcome: str
    work: str
    outcome_dot: tuple[float, float] | None
    work_dot: tuple[float, float] | None
    outcome_label: Label | None
    work_label: Label | None
    today: float | None
    grid: list[Label] = field(default_factory=list)
    ticks: list[Label] = field(default_factory=list)
    glyphs: list[Glyph] = field(default_factory=list)


def draw(
    readings: Sequence[Reading],
    markers: Sequence[Marker],
    *,
    starts_on: date,
    ends_on: date,
    today: date,
    width: int = 920,
    height: int = 300,
) -> Drawing:
    """Lay out a chart over [starts_on, ends_on], both included; readings outside of it are left out."""
    narrow = width < 600
    span = (ends_on - starts_on).days + 1
    # Late in a cycle the lines' names need room beyond the plot; before that they stand inside of it.
    late = 10 * ((today - starts_on).days + 1) > 8 * span
    margin = (52.0 if narrow else 112.0) if late else 16.0
    box = Box(left=38.0, top=14.0, right=width - margin, bottom=height - 54.0)
    inside = [reading for reading in readings if starts_on <= reading.on <= ends_on]

    def x(day: date, *, at_end: bool = True) -> float:
        days = (day - starts_on).days + (1 if at_end else 0)
        return round(box.left + (box.right - box.left) * days / span, 1)

    def y(share: Fraction) -> float:
        return round(box.bottom - (box.bottom - box.top) * float(share), 1)

    outcome = [(x(r.on), y(r.outcome)) if r.outcome is not None else None for r in inside]
    work = [(x(r.on), y(r.work)) if r.work is not None else None for r in inside]
    outcome_dot, work_dot = _last(outcome), _last(work)
    outcome_label, work_label = _labels(outcome_dot, work_dot, inside, box, narrow)
    return Drawing(
        width=width,
        height=height,
        box=box,
        outcome=_steps(outcome),
        work=_steps(work),
        outcome_dot=outcome_dot,
        work_dot=work_dot,
        outcome_label=outcome_label,
        work_label=work_label,
        today=x(today, at_end=False) + (box.right - box.left) / span / 2 if starts_on <= today <= ends_on else None,
        grid=[Label(box.left - 8, y(Fraction(p, 100)), f"{p}%", "end") for p in (0, 25, 50, 75, 100)],
        ticks=_ticks(starts_on, ends_on, x, box, narrow),
        glyphs=_glyphs([m for m in markers if starts_on <= m.on <= ends_on], x, box),
    )


def thin_out(readings: Sequence[Reading]) -> list[Reading]:
    """Keep the days on which a number changed, and the last one: the table beside the chart says the same in less."""
    kept: list[Reading] = []
    for reading in readings:
        if not kept or (kept[-1].outcome, kept[-1].work) != (reading.outcome, reading.work):
            kept.append(reading)
    if readings and kept[-1] is not readings[-1]:
        kept.append(readings[-1])
    return kept


def _steps(points: Sequence[tuple[float, float] | None]) -> str:
    """Draw as steps: between two measurements nothing is known, so no slope is suggested; a null is a gap."""
    path: list[str] = []
    previous: tuple[float, float] | None = None
    for point in points:
        if point is None:
            previous = None
            continue
        if previous is None:
            path.append(f"M{point[0]:g} {point[1]:g}")
        else:
            path.append(f"H{point[0]:g}")
            if point[1] != previous[1]:
                path.append(f"V{point[1]:g}")
        previous = point
    return "".join(path)


def _last(points: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    return next((point for point in reversed(points) if point is not None), None)


def _labels(
    outcome: tuple[float, float] | None,
    work: tuple[float, float] | None,
    readings: Sequence[Reading],
    box: Box,
    narrow: bool,
) -> tuple[Label | None, Label | None]:
    """Name each line at its end, moved apart when the ends are too close to read."""
    said_outcome = next((r.outcome_display for r in reversed(readings) if r.outcome is not None), "")
    said_work = next((r.work_display for r in reversed(readings) if r.work is not None), "")
    outcome_y = outcome[1] if outcome else 0.0
    work_y = work[1] if work else 0.0
    if outcome and work and abs(outcome_y - work_y) < LABEL_GAP:
        middle = min(max((outcome_y + work_y) / 2, box.top + LABEL_GAP / 2), box.bottom - LABEL_GAP / 2)
        first_up = outcome_y <= work_y
        outcome_y = middle - LABEL_GAP / 2 if first_up else middle + LABEL_GAP / 2
        work_y = middle + LABEL_GAP / 2 if first_up else middle - LABEL_GAP / 2

    def label(point: tuple[float, float], y: float, name: str, said: str) -> Label:
        near_end = point[0] > box.right - (52 if narrow else 110)
        x = (box.right if near_end else point[0]) + 8
        return Label(round(x, 1), round(y + 4, 1), said if narrow else f"{name} {said}")

    return (
        label(outcome, outcome_y, "outcome", said_outcome) if outcome else None,
        label(work, work_y, "work", said_work) if work else None,
    )


def _ticks(starts_on: date, ends_on: date, place: Place, box: Box, narrow: bool) -> list[Label]:
    """Name the first day and the first of each month, as many as there is room for."""
    days = [starts_on]
    day = (starts_on.replace(day=1) + timedelta(days=32)).replace(day=1)
    while day <= ends_on:
        days.append(day)
        day = (day + timedelta(days=32)).replace(day=1)
    gap = TICK_GAP * (1 if narrow else 1.5)
    ticks: list[Label] = []
    for day in days:
        x = place(day, at_end=False)
        if ticks and x - ticks[-1].x < gap:
            if len(ticks) > 1 or day.day != 1:
                continue
            ticks.pop()  # the first of the month says more than an odd first day right before it
        anchor = "start" if x < box.left + 20 else "end" if x > box.right - 20 else "middle"
        ticks.append(Label(x, box.bottom + 36, f"{day.day} {MONTHS[day.month - 1]}", anchor))
    return ticks


def _glyphs(markers: Sequence[Marker], place: Place, box: Box) -> list[Glyph]:
    together: dict[tuple[date, MarkerKind], list[str]] = {}
    for marker in markers:
        together.setdefault((marker.on, marker.kind), []).append(marker.words)
    return [
        Glyph(place(day), box.bottom + 12, kind, "; ".join(words))
        for (day, kind), words in sorted(together.items(), key=lambda item: item[0])
    ]
