"""Runs the benchmarks and prints their table; exits 1 if a goal was missed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from benchmarks import accept, apply_cost, burst, delivery, panel, planning, rules
from benchmarks.ground import Figure
from benchmarks.suggestions import figures as suggestions

PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "accept": accept.figures,
    "apply": apply_cost.figures,
    "panel": panel.figures,
    "overlay": planning.figures,
    "delivery": delivery.figures,
    "burst": burst.figures,
    "rules": rules.figures,
    "suggestions": suggestions.figures,
}


def main(chosen: list[str]) -> int:
    """Run the chosen parts, or all of them."""
    console = Console()
    if unknown := set(chosen) - set(PARTS):
        console.print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    table = Table(title=f"Ladder on {os.cpu_count()} cores, Python {platform.python_version()}")
    for heading in ("figure", "ladder", "beside", "ratio", "goal", "met"):
        table.add_column(heading)
    missed = False
    for name in chosen or PARTS:
        console.print(f"{name} ...")
        for one in PARTS[name]():
            missed |= one.met is False
            verdict = {True: "yes", False: "NO", None: ""}[one.met]
            table.add_row(one.what, one.ours, one.beside, one.ratio, one.goal, verdict)
    console.print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
