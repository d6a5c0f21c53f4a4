"""The online store: the newest features of each entity, read in milliseconds and equal to what the lake says."""

from clientnest_assets.features.online.reading import OnlineRow, get_online_features, read_entities
from clientnest_assets.features.online.request import draft_features, features_on_request
from clientnest_assets.features.online.store import OnlineStore, OnlineStoreError, open_store

__all__ = [
    "OnlineRow",
    "OnlineStore",
    "OnlineStoreError",
    "draft_features",
    "features_on_request",
    "get_online_features",
    "open_store",
    "read_entities",
]
