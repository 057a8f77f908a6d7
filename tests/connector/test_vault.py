import stat

import pytest
from cryptography.fernet import Fernet

from connector.vault import SealBroken, Vault, keys_beside


@pytest.fixture
def key() -> str:
    return Fernet.generate_key().decode()


def test_a_sealed_secret_opens_for_its_own_row_only(key):
    vault = Vault([key])
    sealed = vault.seal("tenant-a", "connection.credential", "s3cret")

    assert vault.open("tenant-a", "connection.credential", sealed) == "s3cret"
    for tenant, column in [("tenant-b", "connection.credential"), ("tenant-a", "connection.previous_credential")]:
        with pytest.raises(SealBroken):
            vault.open(tenant, column, sealed)


def test_a_sealed_secret_does_not_show_the_secret(key):
    assert "s3cret" not in Vault([key]).seal("tenant-a", "connection.credential", "s3cret")


def test_an_old_key_still_opens_after_rotation_and_rotated_secrets_no_longer_need_it(key):
    sealed = Vault([key]).seal("t", "c", "s3cret")
    newer = Fernet.generate_key().decode()
    both = Vault([newer, key])

    assert both.open("t", "c", sealed) == "s3cret"
    assert Vault([newer]).open("t", "c", both.rotate(sealed)) == "s3cret"


def test_a_damaged_or_foreign_seal_is_refused_with_a_reason_that_names_the_setting(key):
    sealed = Vault([Fernet.generate_key().decode()]).seal("t", "c", "s3cret")

    with pytest.raises(SealBroken, match="LADDER_SECRET_KEYS"):
        Vault([key]).open("t", "c", sealed)


def test_the_key_file_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    first = keys_beside(tmp_path / "ladder.db")

    assert keys_beside(tmp_path / "ladder.db") == first
    assert stat.S_IMODE((tmp_path / "ladder.db.keys").stat().st_mode) == 0o600
