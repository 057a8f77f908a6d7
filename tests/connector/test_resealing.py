"""Sealing stored secrets anew when keys are rotated."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from connector.core import Core
from connector.models import Connection, Workspace
from connector.resealing import reseal
from connector.vault import SealBroken, Vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def connection_id(core: Core) -> str:
    """A connection whose secret is sealed with the old key."""
    with core.database.writing() as session:
        workspace = Workspace(name="Acme")
        session.add(workspace)
        session.flush()
        connection = Connection(
            workspace_id=workspace.id,
            tracker="toy",
            tenant_key="tenant",
            site="https://acme.example",
            credential=Vault([OLD]).seal("tenant", "credential", "the secret"),
        )
        session.add(connection)
        session.flush()
        return connection.id


def test_after_resealing_the_old_key_is_no_longer_needed(core: Core, connection_id: str) -> None:
    with core.database.writing() as session:
        assert reseal(session, Vault([NEW, OLD])) == 1
    with core.database.reading() as session:
        sealed = session.get_one(Connection, connection_id).credential
    assert sealed is not None
    assert Vault([NEW]).open("tenant", "credential", sealed) == "the secret"


def test_a_secret_that_no_key_opens_stops_the_whole_resealing(core: Core, connection_id: str) -> None:
    with pytest.raises(SealBroken), core.database.writing() as session:
        reseal(session, Vault([NEW]))
    with core.database.reading() as session:
        sealed = session.get_one(Connection, connection_id).credential
    assert sealed is not None
    assert Vault([OLD]).open("tenant", "credential", sealed) == "the secret"
