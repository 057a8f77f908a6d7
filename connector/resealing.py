"""Seal stored secrets anew, so that an old key can be taken away."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.models import Connection
from connector.vault import Vault

SEALED = ("credential", "previous_credential")


def reseal(session: Session, vault: Vault) -> int:
    """Seal every stored secret of every workspace with the vault's first key; return how many there were.

    Raises SealBroken when one can't be opened with any of the keys; nothing is changed then.
    """
    count = 0
    for connection in session.scalars(select(Connection).with_for_update()):
        for column in SEALED:
            sealed = getattr(connection, column)
            if sealed is not None:
                setattr(connection, column, vault.rotate(sealed))
                count += 1
    return count
