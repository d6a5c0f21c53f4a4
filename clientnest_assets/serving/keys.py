"""Who may call: the keys of one part of the API, shown as `Authorization: Bearer <key>`.

Which routes need a key, and of which part, is theirs to say.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from fastapi import HTTPException

CLOSE = {"Connection": "close"}
"""For answers given before the body was read to its end."""


class Keys:
    """The keys of one part.

    Args:
        keys: all that count: two while one replaces the other.
        part: what they are keys of, in words.
        variable: the setting that gives them.
    """

    def __init__(self, keys: Sequence[str], part: str, variable: str) -> None:
        self._digests = [_digest(key) for key in keys]
        self._part = part
        self._variable = variable

    def require(self, shown: str) -> None:
        """Takes each of the keys, and as much time for one as for the other.

        Raises:
            HTTPException: 401 if it is none of them, 503 if there are none.
        """
        if not self._digests:
            raise HTTPException(503, f"The {self._part} has no key yet: set {self._variable}.", CLOSE)
        digest = _digest(shown)
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise HTTPException(
                401,
                f"Send the header `Authorization: Bearer <key>` with a key of this {self._part}.",
                {"WWW-Authenticate": "Bearer", **CLOSE},
            )


def _digest(key: str) -> bytes:
    """What keys are compared by: all are equally long, so nothing shows how long a key is."""
    return hashlib.sha256(key.encode()).digest()
