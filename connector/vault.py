"""Secrets at rest: sealed with Fernet keys that can be rotated, and bound to the row that they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealBroken(Exception):
    """A sealed value cannot be opened: another key, another row, or tampered with."""

    reason = "seal_broken"


class Vault:
    """Seals and opens secrets; the first key seals, all of them open."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, tenant: str, column: str, secret: str) -> str:
        """Return `secret` encrypted.

        Tenant and column are inside the plaintext: with write access to the database alone, nobody can copy one
        tenant's sealed secret into another tenant's row and have it accepted there.
        """
        return self._fernet.encrypt(json.dumps([tenant, column, secret]).encode()).decode()

    def open(self, tenant: str, column: str, sealed: str) -> str:
        """Return the secret; raises SealBroken."""
        try:
            sealed_tenant, sealed_column, secret = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise SealBroken("sealed with a key that is not in LADDER_SECRET_KEYS, or damaged") from None
        if (sealed_tenant, sealed_column) != (tenant, column):
            raise SealBroken("sealed for another row")
        return str(secret)

    def rotate(self, sealed: str) -> str:
        """Return the same secret sealed with the first key; raises SealBroken."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken("sealed with a key that is not in LADDER_SECRET_KEYS, or damaged") from None


def keys_beside(database: Path) -> list[str]:
    """Return the keys kept beside an SQLite file, making one (mode 600) on the first start."""
    path = database.with_name(database.name + ".keys")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().split()
    with os.fdopen(handle, "w") as file:
        file.write(Fernet.generate_key().decode() + "\n")
    return path.read_text().split()
