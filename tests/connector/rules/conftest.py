"""What every test about rules starts from."""

from __future__ import annotations

import pytest

from tests.connector.conftest import Organisation
from tests.connector.rules.stage import Stage


@pytest.fixture
def stage(org: Organisation) -> Stage:
    return Stage(org)
