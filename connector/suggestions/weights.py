"""How much each signal says beside the others, and when it is too little to suggest anything.

Measured by `python -m benchmarks.suggestions.tuning` on 272 labelled tickets in three folds, each of them asked about
while the links of the other two were known. The 149 tickets by which the benchmark judges were left out of it. Where
the tickets say little a weight stayed at what we believed beforehand: none is below a linked epic, for instance.
"""

from __future__ import annotations

from connector.suggestions.signals import Signal

WEIGHTS = {
    Signal.ABOVE: 6.0,
    Signal.BELOW: 5.0,
    Signal.BESIDE: 5.0,
    Signal.AROUND: 2.0,
    Signal.LABEL: 3.0,
    Signal.ASSIGNEE: 3.0,
    Signal.PROJECT: 5.5,
    Signal.TEXT: 3.5,
    Signal.LIKE: 2.0,
    Signal.EPIC_TEXT: 5.0,
    Signal.LABEL_TEXT: 3.0,
}
# What "no goal work" has ahead of every key result when nothing is known.
AHEAD = 1.0
# Beside "no goal work" a key result must be believed at least this much. In the folds this silenced half of the tickets
# that serve no goal, and cost none of the right suggestions.
AT_LEAST_BESIDE_NOTHING = 0.1
# What all signals together must say. Less is a few letters in common.
AT_LEAST_SAID = 0.6
