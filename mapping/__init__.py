"""What a number means: the rules of design/progress.md in exact rationals.

Pure: standard library only; no clock, no float, no I/O. Where to look:

    issue_class   the classes of issues                          progress.md section 2
    forest        the issue tree and the counts below an issue                       3
    progress      work progress of a whole case, from nothing                        3
    store         records and the Protocol behind the running values                 3
    reach         how links reach an issue, along one path                           3
    running       operations: one event moves the running values                     3
    scratch       the same operations on a copy, for "what if"                       8
"""
