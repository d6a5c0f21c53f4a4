"""The guard of lakes in buckets: a store may hold one only if a conditional put there has exactly one winner.

Delta commits a version by writing its log file on the condition that it is not there yet. A store that ignores the
condition answers both of two writers with success and keeps one commit: rows are lost without an error. So three
writers race for one new key, twice, before a store is trusted.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake.s3 import open_bucket

if TYPE_CHECKING:
    from obstore.store import S3Store

RACES, WRITERS = 2, 3
PROBES = ".guard"
TRUSTED_SECONDS = 24 * 3600


class UnsafeStoreError(ClientNestError):
    """The store answers conditional puts in a way that would lose commits."""


class UnreachableStoreError(ClientNestError):
    """The store does not take a test object: wrong address, bucket or credentials, or no permission to write."""


def require_safe_store(root: str, options: Mapping[str, str], trusted: Path) -> None:
    """Races for probe keys under the root, unless the store was found safe within the last day.

    Args:
        root: the lake's `s3://bucket/prefix`.
        options: its `AWS_*` options.
        trusted: a local folder that remembers which stores were found safe, and when.

    Raises:
        UnsafeStoreError: naming the endpoint, what was seen, and the remedy.
        UnreachableStoreError: if the store does not take a test object.
    """
    place = f"{root} at {options.get('AWS_ENDPOINT_URL', 'Amazon S3')}"
    mark = trusted / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.safe"
    if mark.exists() and 0 <= time.time() - mark.stat().st_mtime < TRUSTED_SECONDS:
        return
    for race in range(1, RACES + 1):
        winners = _race(root, options, place)
        if winners != 1:
            raise UnsafeStoreError(
                f"{place} is not safe for a lake: of {WRITERS} writers that each asked to create one new object, "
                f"{winners} were told that they did (race {race} of {RACES}). Concurrent commits would be lost there "
                "without an error. Use a store whose conditional put (If-None-Match: *) is atomic, such as Amazon S3, "
                "or SeaweedFS from version 4.17 on; see docs/operator.md."
            )
    trusted.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{place}\n")


def _race(root: str, options: Mapping[str, str], place: str) -> int:
    """How many of the writers were told that they created the one probe."""
    import obstore
    from obstore.exceptions import BaseError

    # Without retries: a put that is sent again meets its own object, and a winner would count as a loser.
    store = open_bucket(root, options, retry_config={"max_retries": 0})
    path, begin = f"{PROBES}/{uuid.uuid4().hex}", Barrier(WRITERS)
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            created = list(pool.map(lambda number: _create(store, path, number, begin), range(WRITERS)))
        obstore.delete(store, path)
    except (BaseError, OSError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise UnreachableStoreError(
            f"{place} does not take a test object: {reason}\nCheck CLIENTNEST_LAKE_URL, the AWS_* variables, that the "
            "bucket exists, and that its policy allows to list, read, write and delete; see docs/operator.md."
        ) from None
    return sum(created)


def _create(store: S3Store, path: str, number: int, begin: Barrier) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    begin.wait()
    try:
        obstore.put(store, path, bytes([number]), mode="create")
    except AlreadyExistsError:
        return False
    return True
