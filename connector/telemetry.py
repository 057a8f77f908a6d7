"""What the outside may see of a running process: log lines without secrets, and counters.

Tokens travel in URLs (`?jwt=`) and headers, so every line, whoever wrote it, passes through `redacted` on its way out.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter("ladder_deliveries", "Deliveries offered to the inbox, by what became of them.", ["result"])
APPLIED = Counter("ladder_applied", "Inbox entries worked off, by outcome.", ["outcome"])
LAG = Histogram(
    "ladder_delivery_lag_seconds",
    "Time from a delivery's acceptance until its effect was committed.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300),
)
ERRANDS = Counter("ladder_outbox", "Errands run at trackers, by kind and result.", ["kind", "result"])
BACKLOG = Gauge("ladder_backlog", "Rows in inbox and outbox that are not done, as of the last sweep.", ["box", "state"])

logger: structlog.stdlib.BoundLogger = structlog.get_logger("ladder")

HIDDEN = "[hidden]"
# Names under which secrets and personal data travel, compared without case, `_` and `-`.
SECRET_NAMES = frozenset(
    {
        "jwt", "token", "accesstoken", "refreshtoken", "authorization", "sharedsecret", "secret", "secrets",
        "secretkeys", "password", "credential", "previouscredential", "cookie", "setcookie", "body", "email",
        "querystring",
    }
)  # fmt: skip
# Strangers write into what is logged (an address can have 60,000 characters), so each pattern must be done in one pass,
# however it is fed, or a single request could keep the process busy for a minute.
_PATTERNS = (
    # Nothing worth reading is that long without a blank.
    (re.compile(r"(?<!\S)\S{2000,}"), HIDDEN),
    # A token in the three-part form, wherever it stands.
    (re.compile(r"eyJ[\w-]{4,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"(?i)\b(jwt|bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    # Query strings carry tokens, account ids and people's search words: of an address only the path is logged.
    (re.compile(r"(?<=[^\s?\"'<>])\?[^\s\"'<>]+"), rf"?{HIDDEN}"),
    (
        re.compile(r"(?i)\b(jwt|sharedSecret|\w+_token|\w+_secret)(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",}]+"),
        rf"\1\2{HIDDEN}",
    ),
    # A one-time link works until its button is pressed, and until then stands in addresses that are logged.
    (re.compile(r"(/sign-in/)[\w-]{8,}"), rf"\1{HIDDEN}"),
    # Credentials inside a database or queue address.
    (re.compile(r"(?<=://)([^\s:/@]*):[^\s@/]+@"), rf"\1:{HIDDEN}@"),
)


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at that moment, one line a record."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - logging would print the raw record, with all that we hide
            line = f"a log line of {record.name} was lost: {type(error).__name__}"
        sys.stderr.write(line + "\n")


def redacted(value: Any) -> Any:
    """Return `value` with tokens, query strings and secrets hidden, down through lists and mappings."""
    if isinstance(value, str):
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, bytes):
        return HIDDEN
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(name) else redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else redacted(str(value))


def _is_secret(name: Any) -> bool:
    return str(name).lower().replace("_", "").replace("-", "") in SECRET_NAMES


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept = {name: event[name] for name in ("_record", "_from_structlog") if name in event}
    return {**redacted({name: value for name, value in event.items() if name not in kept}), **kept}


def configure(log_format: Literal["json", "text"] = "text", level: int = logging.INFO) -> None:
    """Send every log line of this process, ours and the libraries', to standard error through the redaction."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At DEBUG these print whole requests with their bodies, at INFO a line for every task and connection.
    for name in ("urllib3", "atlassian", "huey", "alembic"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
