"""Where the reference data lie: official descriptions, captured payloads and vectors kept beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "refs"


def refs(*parts: str) -> Path:
    """Return the path of a reference file or folder; skips the calling test if it isn't there."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data {'/'.join(parts) or 'folder'} missing: expected in ../shared/refs")
    return path
