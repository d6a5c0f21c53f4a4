"""The contracts of the application events, which arrive over HTTP or Kafka, and of their rollups in the lake."""

from __future__ import annotations

import dataframely as dy

from clientnest_assets.contracts.contract import Contract, count, moment, one_of, reference

EVENT_TYPES = ("login", "feature_used", "click", "error", "performance")
UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
COUNTED_AS = {
    "login": "logins",
    "feature_used": "feature_uses",
    "click": "clicks",
    "error": "errors",
    "performance": "performance_reports",
}
"""The rollups' column that counts each type of event."""


class AppEvents(dy.Schema):
    """One thing that happened in the app while somebody used it."""

    event_id = dy.String(primary_key=True, regex=UUID, description="The event's UUID; the same event may arrive twice.")
    user_id = reference("auth_user", "Who did it; null before login.", nullable=True)
    session_id = dy.String(nullable=True, description="The app's session, as the client names it.")
    event_type = one_of(EVENT_TYPES, "What kind of thing happened.")
    name = dy.String(min_length=1, description="What exactly, such as the feature's name.")
    properties = dy.String(nullable=True, description="Details: a JSON object, as text.", metadata={"json": True})
    occurred_at = moment("When it happened, by the client's clock.")
    received_at = moment("When ClientNest received it.")


class AppEventsHourly(dy.Schema):
    """What one user did in the app in one UTC hour; what happened before login counts as one user without an id."""

    id = dy.String(primary_key=True, description="Hour and user in one, such as 2026-04-01T10/42; of nobody known: /-.")
    user_id = reference("auth_user", "Who; null for all that happened before login.", nullable=True)
    hour = moment("The hour's first moment.")
    events = count("Events of all types: the sum of the counts by type.", unit="events")
    logins = count("Events of type login.", unit="events")
    feature_uses = count("Events of type feature_used.", unit="events")
    clicks = count("Events of type click.", unit="events")
    errors = count("Events of type error.", unit="events")
    performance_reports = count("Events of type performance.", unit="events")
    sessions = count("Different sessions seen. Not additive: a session may go on in the next hour.", unit="sessions")


class AppEventsDaily(dy.Schema):
    """What one user did in the app on one UTC day; what happened before login counts as one user without an id."""

    id = dy.String(primary_key=True, description="Day and user in one, such as 2026-04-01/42; of nobody known: /-.")
    user_id = reference("auth_user", "Who; null for all that happened before login.", nullable=True)
    events = count("Events of all types: the sum of the counts by type.", unit="events")
    logins = count("Events of type login.", unit="events")
    feature_uses = count("Events of type feature_used.", unit="events")
    clicks = count("Events of type click.", unit="events")
    errors = count("Events of type error.", unit="events")
    performance_reports = count("Events of type performance.", unit="events")
    sessions = count("Different sessions seen. Not additive: a session may go on after midnight.", unit="sessions")
    features = dy.List(
        dy.String(), description="Names of the feature_used events, each once, in order of the alphabet."
    )
    first_at = moment("When the first of the events happened.")
    last_at = moment("When the last of the events happened.")


APP_EVENTS = Contract("app_events", "append", "occurred_at", AppEvents, origin="events")
EVENT_TABLES = (APP_EVENTS,)
APP_EVENTS_HOURLY = Contract("app_events_hourly", "append", "hour", AppEventsHourly, origin="rollup")
APP_EVENTS_DAILY = Contract("app_events_daily", "append", "first_at", AppEventsDaily, origin="rollup")
ROLLUP_TABLES = (APP_EVENTS_HOURLY, APP_EVENTS_DAILY)
