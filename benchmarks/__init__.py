"""Figures, each beside something measured in the same run: `make bench`, or `python -m benchmarks [name ...]`."""
