"""The blueprint that every resource of the API hangs on, and what all of them share."""

from __future__ import annotations

from apiflask import APIBlueprint

from web.api.access import admit, require_json_object

API = "/api/v1"

api = APIBlueprint("api", __name__, url_prefix=API)
api.before_request(admit)
api.before_request(require_json_object)
