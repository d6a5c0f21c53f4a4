"""The contract of the application events that arrive over HTTP or Kafka, not from the app's database."""

from __future__ import annotations

import dataframely as dy

from clientnest_assets.contracts.contract import Contract, moment, one_of, reference

EVENT_TYPES = ("login", "feature_used", "click", "error", "performance")
UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"


class AppEvents(dy.Schema):
    """One thing that happened in the app while somebody used it."""

    event_id = dy.String(primary_key=True, regex=UUID, description="The event's UUID; the same event may arrive twice.")
    user_id = reference("auth_user", "Who did it; null before login.", nullable=True)
    session_id = dy.String(nullable=True, description="The app's session, as the client names it.")
    event_type = one_of(EVENT_TYPES, "What kind of thing happened.")
    name = dy.String(min_length=1, description="What exactly, such as the feature's name.")
    properties = dy.String(nullable=True, description="Details as JSON text.")
    occurred_at = moment("When it happened, by the client's clock.")
    received_at = moment("When ClientNest received it.")


EVENT_TABLES = (Contract("app_events", "append", "occurred_at", AppEvents, origin="events"),)
