"""What a number means: the rules of design/progress.md in exact rationals.

Pure: standard library only; no clock, no float, no I/O. A reader starts at `progress`. Section numbers are those of
design/progress.md:

    issue_class   the classes of issues                                      2
    forest        the issue tree and the counts below an issue               3
    progress      work progress of a whole case, from nothing                3
    metric        outcomes: metric rule, checkpoints, band, milestones ...   1, 4
    rollup        from key results to their objective                        1, 4
    display       how numbers read, the only place that rounds               4
    pace          elapsed time, projection, bands                            6
    status        what is shown, disputes, reasons to worry                  6
    drift         the week in which work and goals parted ways               7
    overlay       what a sprint will do                                      8

The running values, which one event moves at a cost that does not depend on the size of a key result:

    store         records, and the Protocol of the place that keeps them     3
    running       the operations: class, estimate, place, link, weight ...   3
    reach         how links reach an issue along one path                    3
    lineage       chains of ancestors and circles of parents                 3
    tally         corrections to sums and units                              3
    recount       counting a key result from its links down                  5
    scratch       the operations on a copy: what closing an issue would do   8
    ledger        steps, causes, entries, folds                              5
    narration     the ledger in words                                        5

And what is said about drafts: `lint` with `phrases` and `vocabulary`.
"""
