"""Change capture: the app's mutable tables by logical replication, every version and every delete.

A second way beside reading windows (`sources/app_database.py`): the same raw tables under the same source.
"""

from clientnest_assets.sources.change_capture.capture import Capture, Pass, Report, capture_once
from clientnest_assets.sources.change_capture.landing import Captured
from clientnest_assets.sources.change_capture.slot import CaptureBusyError, CaptureError, connected, has_slot, stop
from clientnest_assets.sources.change_capture.snapshot import Progress, take_snapshot
from clientnest_assets.sources.change_capture.status import CaptureStatus, status

__all__ = [
    "Capture",
    "CaptureBusyError",
    "CaptureError",
    "CaptureStatus",
    "Captured",
    "Pass",
    "Progress",
    "Report",
    "capture_once",
    "connected",
    "has_slot",
    "status",
    "stop",
    "take_snapshot",
]
