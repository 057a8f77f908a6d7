"""One HTTP conversation with one site: every attempt signed anew, no redirects, no endless waiting.

https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import jwt
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from jira_app.query_string_hash import query_string_hash
from jira_app.trace import HEADER, new_trace

# Seconds. Jira refuses tokens that live longer than three minutes from an app.
TOKEN_LIFE = 170
# Passing troubles of the proxies before Jira. 429 is not among them: how long to wait then is the caller's decision.
PASSING = (502, 503, 504)
# What changes sprints begins like this.
PLANNING = "/rest/agile/"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller can wait: seconds to connect and to wait for data, and further attempts of a read."""

    connect: float
    read: float
    retries: int


# For a person who looks at a page, and for the worker, whose errands are leased for a minute.
BRIEF = Patience(connect=2, read=4, retries=0)
LASTING = Patience(connect=4, read=15, retries=2)


class SiteSession(requests.Session):
    """Signs what it sends to `site` with the site's shared secret."""

    def __init__(self, site: str, app_key: str, secret: str, patience: Patience) -> None:
        super().__init__()
        self._site = site
        self._app_key = app_key
        self._secret = secret
        self._patience = patience
        # Only what may be sent twice without harm, a growing while apart, and never all workers at the same moment.
        self._retry = Retry(
            total=patience.retries,
            allowed_methods=("GET",),
            status_forcelist=PASSING,
            backoff_factor=0.3,
            backoff_jitter=0.3,
            respect_retry_after_header=False,
        )
        # Attempts are repeated here, not below: a repeated one must not carry a token from minutes ago.
        self.mount("https://", HTTPAdapter(max_retries=0, pool_maxsize=10))
        self.mount("http://", HTTPAdapter(max_retries=0, pool_maxsize=10))
        # Threads share the session; what a site sets for one answer must not colour another.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Send a request within this session's patience; redirects come back as they are."""
        # A redirect could lead anywhere, the inside of our own network included, with our token.
        options["allow_redirects"] = False
        options["timeout"] = (self._patience.connect, self._patience.read)
        options["auth"] = _unsigned
        return super().request(method, url, *args, **options)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a prepared request, a read up to `retries` more times."""
        method, url = str(request.method), str(request.url)
        if not url.startswith(self._site + "/"):
            raise requests.exceptions.InvalidURL("outside of the site that this session is for")
        # A label or a mark moves nothing of ours, so its webhook need not be read. An issue that we put into another
        # sprint is news like any other.
        if method != "GET" and not url.startswith(f"{self._site}{PLANNING}"):
            request.headers[HEADER] = new_trace()
        retry = self._retry
        while True:
            request.headers["Authorization"] = f"JWT {self.token(method, url)}"
            try:
                response = super().send(request, **options)
            except (requests.ConnectionError, requests.Timeout):
                if method != "GET" or retry.total == 0:
                    raise
            else:
                if retry.total == 0 or not retry.is_retry(method, response.status_code):
                    return response
                response.close()
            retry = retry.increment(method, url)
            retry.sleep()

    def token(self, method: str, url: str) -> str:
        """Return a token for one request."""
        issued = int(time.time())
        claims = {
            "iss": self._app_key,
            "iat": issued,
            "exp": issued + TOKEN_LIFE,
            "qsh": query_string_hash(method, url, self._site),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from signing with a password out of somebody's .netrc; `send` signs each attempt."""
    return request
