"""How much each signal says beside the others, and when it is too little to suggest anything.

Measured by `python -m benchmarks.suggestions.tuning` on 287 labelled tickets in three folds, each of them asked about
while the links of the other two were known. The 149 tickets by which the benchmark judges were left out of it. Where
the tickets say little a weight stayed at what we believed beforehand: none is below a linked epic, for instance.
PROJECT came out as 0, since there every project belongs to one team, which TEAM says already. Where a team has two
projects it says more, so it keeps a little, which did no harm in the folds.
"""

from __future__ import annotations

from connector.suggestions.signals import Signal

WEIGHTS = {
    Signal.ABOVE: 6.0,
    Signal.BELOW: 5.0,
    Signal.BESIDE: 3.0,
    Signal.AROUND: 2.0,
    Signal.LABEL: 3.0,
    Signal.ASSIGNEE: 0.5,
    Signal.PROJECT: 1.0,
    Signal.TEAM: 4.5,
    Signal.TEXT: 3.0,
    Signal.LIKE: 1.5,
    Signal.EPIC_TEXT: 4.0,
    Signal.LABEL_TEXT: 3.0,
}
# What "no goal work" has ahead of every key result, where the team's word raises those: less than it raises them.
AHEAD = 3.5
# Beside "no goal work" a key result must be believed at least this much. In the folds this silenced half of the tickets
# that serve no goal, and cost none of the right suggestions.
AT_LEAST_BESIDE_NOTHING = 0.05
# And beside whatever is believed most: where one key result is as good as sure, two more would only be in the way.
AT_LEAST_BESIDE_BEST = 0.02
# What all signals together must say; less is a few letters in common. And what they must say apart from the team, which
# says the same for all its key results: otherwise they would all be suggested for everything.
AT_LEAST_SAID = 0.6
AT_LEAST_SAID_OF_IT_ALONE = 0.1
