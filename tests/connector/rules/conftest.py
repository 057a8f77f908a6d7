"""Every test about rules runs on both databases."""

from __future__ import annotations

import pytest

from connector.settings import Settings
from tests.connector.conftest import Organisation
from tests.connector.rules.stage import Stage


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    return either_settings


@pytest.fixture
def stage(org: Organisation) -> Stage:
    return Stage(org)
