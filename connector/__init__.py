"""The application core: from a tracker's delivery to a key result's number.

Knows no tracker by name: trackers fulfil `connector.tracker.Tracker` and register under the entry point group
`ladder.trackers`. What a number means is decided in `mapping`, never here.
"""
