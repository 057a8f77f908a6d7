import pytest
from cryptography.fernet import Fernet

from connector.settings import BadSettings, load_settings


def test_nothing_set_gives_an_sqlite_file_in_the_platforms_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    settings = load_settings(env_file=None)

    assert settings.sqlite_path == tmp_path / "ladder" / "ladder.db"


def test_a_value_given_in_code_wins_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("LADDER_BASE_URL=https://file.example\nLADDER_LOG_FORMAT=json\nLADDER_FORGE_APP_ID=from-file\n")
    monkeypatch.setenv("LADDER_BASE_URL", "https://environment.example")
    monkeypatch.setenv("LADDER_LOG_FORMAT", "text")

    settings = load_settings(env_file=str(file), base_url="https://given.example/")

    assert (settings.base_url, settings.log_format, settings.forge_app_id) == (
        "https://given.example",
        "text",
        "from-file",
    )


def test_comma_separated_lists_lose_their_blanks(monkeypatch):
    monkeypatch.setenv("LADDER_JIRA_HOSTS", "*.atlassian.net, jira.example.org ,")

    assert load_settings(env_file=None).jira_hosts == ("*.atlassian.net", "jira.example.org")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LADDER_COLOUR", "red", "LADDER_COLOUR: no such setting"),
        ("LADDER_BASE_URL", "ladder.example", "LADDER_BASE_URL: must be an http(s) address"),
        ("LADDER_DATABASE_URL", "mysql://localhost/x", "LADDER_DATABASE_URL: must start with"),
        ("LADDER_DATABASE_URL", "postgresql://localhost/x", "LADDER_SECRET_KEYS is required"),
        ("LADDER_SECRET_KEYS", "hunter2", "LADDER_SECRET_KEYS: each key must be a Fernet key"),
        ("LADDER_LOG_FORMAT", "xml", "LADDER_LOG_FORMAT:"),
        ("LADDER_CONNECT_KEY_HOSTS", "ftp://keys", "LADDER_CONNECT_KEY_HOSTS: must be"),
        ("LADDER_QUEUE_URL", "amqp://x", "LADDER_QUEUE_URL: must start with"),
    ],
)
def test_a_wrong_setting_is_refused_with_one_line_that_names_it(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)

    with pytest.raises(BadSettings) as refused:
        load_settings(env_file=None)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_secret_is_not_repeated_in_the_message(monkeypatch):
    monkeypatch.setenv("LADDER_SECRET_KEYS", "hunter2")

    with pytest.raises(BadSettings) as refused:
        load_settings(env_file=None)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_every_spelling_of_postgresql_uses_the_same_driver(url):
    settings = load_settings(env_file=None, database_url=url, secret_keys=(Fernet.generate_key().decode(),))

    assert settings.effective_database_url == "postgresql+psycopg://u@h/d"
