"""A site's shared secret at rest, sealed for its own row."""

from __future__ import annotations

from connector.models import Connection
from connector.vault import Vault

COLUMN = "connection.credential"


def seal_secret(vault: Vault, tenant_key: str, secret: str) -> str:
    """Return `secret` as the database may hold it."""
    return vault.seal(tenant_key, COLUMN, secret)


def open_secret(vault: Vault, connection: Connection, sealed: str) -> str:
    """Return the secret of `connection`; raises connector.vault.SealBroken."""
    return vault.open(connection.tenant_key, COLUMN, sealed)
