"""What each kind of key result needs to be told, and what makes no sense for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from connector.errors import Fault
from connector.models import KEY_RESULT_KINDS

AGGREGATES = ("count", "sum", "average")
MAINTAIN_BY = ("average", "latest", "minimum")
SIZE_BY = ("count", "estimate")
UNESTIMATED = ("one", "exclude")

# Kinds whose value is told by a check-in or pushed through the API; the others read it from milestones or issues.
MEASURED_KINDS = frozenset({"metric", "maintain", "query_metric", "issue_delta"})
# Kinds whose progress is the metric rule, so that checkpoints between baseline and target have a meaning.
METRIC_RULE_KINDS = frozenset({"metric", "issue_count", "query_metric", "issue_delta"})

LONGEST_QUERY = 2000
MOST_CHECKPOINTS = 20


@dataclass(frozen=True, slots=True)
class Query:
    """A question in a tracker's own language whose answer is the metric's value."""

    connection_id: str
    text: str
    aggregate: str = "count"
    field: str | None = None


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """How linked work is counted (progress.md section 3)."""

    size_by: str = "count"
    started_credit: Fraction = Fraction(0)
    unestimated: str = "one"
    sub_task_credit: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """What is measured, and how that becomes progress.

    `band` (lowest, highest; either end may be open) belongs to kind `maintain`, `query` to `query_metric`,
    `checkpoints` ((value, progress), ...) to the kinds that follow the metric rule.
    """

    kind: str = "metric"
    baseline: Fraction | None = None
    target: Fraction | None = None
    band: tuple[Fraction | None, Fraction | None] | None = None
    maintain_by: str = "average"
    checkpoints: tuple[tuple[Fraction, Fraction], ...] = ()
    query: Query | None = None


# What `settings_of` writes into `KeyResult.settings`; other names there belong to others.
SETTING_NAMES = frozenset({"band", "maintain_by", "checkpoints", "query"})
DEFINITION_FIELDS = frozenset(field.name for field in fields(Definition))
OPTION_FIELDS = frozenset(field.name for field in fields(WorkOptions))


def faults_of_definition(definition: Definition) -> list[Fault]:
    """Return everything that is wrong with a definition; nothing about whether its query's connection exists."""
    kind = definition.kind
    if kind not in KEY_RESULT_KINDS:
        return [Fault("unknown_choice", f"Must be one of {', '.join(KEY_RESULT_KINDS)}.", "kind")]
    faults = []
    if definition.baseline is not None and definition.baseline == definition.target:
        faults.append(Fault("zero_width", "Baseline and target are the same: nothing would change.", "target"))
    if kind == "issue_count" and definition.target is None:
        faults.append(Fault("no_target", "Say how many issues are to be finished.", "target"))
    if definition.maintain_by not in MAINTAIN_BY:
        faults.append(Fault("unknown_choice", f"Must be one of {', '.join(MAINTAIN_BY)}.", "maintain_by"))
    faults += _faults_of_band(kind, definition.band)
    faults += _faults_of_checkpoints(definition)
    faults += _faults_of_query(kind, definition.query)
    return faults


def faults_of_options(options: WorkOptions) -> list[Fault]:
    """Return everything that is wrong with the way in which work is counted."""
    faults = []
    if options.size_by not in SIZE_BY:
        faults.append(Fault("unknown_choice", f"Must be one of {', '.join(SIZE_BY)}.", "size_by"))
    if options.unestimated not in UNESTIMATED:
        faults.append(Fault("unknown_choice", f"Must be one of {', '.join(UNESTIMATED)}.", "unestimated"))
    if not 0 <= options.started_credit < 1:
        # At 1 a started issue would be as good as a finished one, and closing it would change nothing.
        faults.append(Fault("out_of_range", "Must be 0 or more, and below 1.", "started_credit"))
    return faults


def settings_of(definition: Definition) -> dict[str, Any]:
    """Return what goes into `KeyResult.settings`: exact numbers as text, absent things absent."""
    settings: dict[str, Any] = {}
    if definition.band is not None:
        settings["band"] = [None if end is None else str(end) for end in definition.band]
        settings["maintain_by"] = definition.maintain_by
    if definition.checkpoints:
        settings["checkpoints"] = [[str(value), str(progress)] for value, progress in definition.checkpoints]
    if definition.query is not None:
        query = definition.query
        settings["query"] = {
            "connection_id": query.connection_id,
            "text": query.text,
            "aggregate": query.aggregate,
            "field": query.field,
        }
    return settings


def definition_from(
    kind: str, baseline: Fraction | None, target: Fraction | None, settings: dict[str, Any]
) -> Definition:
    """Return what `settings_of` was given."""
    band = settings.get("band")
    query = settings.get("query")
    return Definition(
        kind=kind,
        baseline=baseline,
        target=target,
        band=None if band is None else (_number(band[0]), _number(band[1])),
        maintain_by=settings.get("maintain_by", "average"),
        checkpoints=tuple((Fraction(value), Fraction(at)) for value, at in settings.get("checkpoints", ())),
        query=None if query is None else Query(**query),
    )


def _number(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _faults_of_band(kind: str, band: tuple[Fraction | None, Fraction | None] | None) -> list[Fault]:
    if kind != "maintain":
        return [] if band is None else [Fault("not_for_this_kind", "Only kind maintain has a band.", "band")]
    if band is None or band == (None, None):
        return [Fault("no_band", "Say between which values the metric is to stay.", "band")]
    low, high = band
    if low is not None and high is not None and low > high:
        return [Fault("band_out_of_order", "The lower end is above the upper end.", "band")]
    return []


def _faults_of_checkpoints(definition: Definition) -> list[Fault]:
    points: Sequence[tuple[Fraction, Fraction]] = definition.checkpoints
    if not points:
        return []
    if definition.kind not in METRIC_RULE_KINDS:
        return [Fault("not_for_this_kind", "This kind has no checkpoints.", "checkpoints")]
    if len(points) > MOST_CHECKPOINTS:
        return [Fault("too_many", f"At most {MOST_CHECKPOINTS} checkpoints.", "checkpoints")]
    baseline, target = definition.baseline, definition.target
    if baseline is None or target is None:
        return [Fault("no_from_to", "Checkpoints need a baseline and a target to lie between.", "checkpoints")]
    rising = target > baseline
    previous_value, previous_progress = baseline, Fraction(0)
    for value, progress in points:
        onward = value > previous_value if rising else value < previous_value
        if not onward or not previous_progress <= progress <= 1:
            return [
                Fault(
                    "checkpoints_out_of_order",
                    "Checkpoints go from baseline to target, and their progress never falls.",
                    "checkpoints",
                )
            ]
        previous_value, previous_progress = value, progress
    if (previous_value >= target) if rising else (previous_value <= target):
        return [Fault("checkpoints_out_of_order", "Checkpoints lie between baseline and target.", "checkpoints")]
    return []


def _faults_of_query(kind: str, query: Query | None) -> list[Fault]:
    if kind != "query_metric":
        return [] if query is None else [Fault("not_for_this_kind", "Only kind query_metric has a query.", "query")]
    if query is None or not query.text.strip():
        return [Fault("no_query", "Say which query the value comes from.", "query")]
    if len(query.text) > LONGEST_QUERY:
        return [Fault("too_long", f"At most {LONGEST_QUERY} characters.", "query")]
    if query.aggregate not in AGGREGATES:
        return [Fault("unknown_choice", f"Must be one of {', '.join(AGGREGATES)}.", "query")]
    if query.aggregate != "count" and not (query.field or "").strip():
        return [Fault("no_field", f"A {query.aggregate} needs the field to be added up.", "query")]
    return []
