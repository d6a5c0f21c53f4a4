"""The body of a request with events: unpacked in bounded memory, and parted into events that stay as they were sent.

Whether an event keeps the contract is not looked at here, only whether the body is JSON of one of the three shapes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import HTTPException, Request

from clientnest_assets.serving.keys import CLOSE

MOST_BODY_BYTES = 4 << 20
MOST_EVENTS = 5_000
LIMITS = f"A request has at most {MOST_EVENTS:,} events and {MOST_BODY_BYTES >> 20} MiB (unpacked, if it is gzip)."
ENVELOPE = re.compile(rb'\s*\{\s*"events"\s*:(.*)\}\s*', re.DOTALL)
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
"""An escape in JSON text. `half` is half of a pair that stands alone."""
WHOLE = rb"\ufffd"


async def read_body(request: Request, take: Callable[[int], None]) -> bytes:
    """The body, unpacked, in bounded memory: what does not fit is refused before it is unpacked.

    Args:
        request: the request.
        take: is told of each piece before it is kept.

    Raises:
        HTTPException: 400, 413 or 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise HTTPException(
            415, f"Content-Encoding {encoding!r} is not understood; send gzip or none.", {"Accept-Encoding": "gzip"}
        )
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MOST_BODY_BYTES:
        raise HTTPException(413, LIMITS, CLOSE)
    pieces, arrived, size = [], 0, 0
    async for piece in request.stream():
        arrived += len(piece)
        try:
            unpacked = unpacker.decompress(piece, MOST_BODY_BYTES - size + 1) if unpacker else piece
        except zlib.error as error:
            raise HTTPException(400, f"The body is no gzip: {error}.", CLOSE) from None
        size += len(unpacked)
        if arrived > MOST_BODY_BYTES or size > MOST_BODY_BYTES:
            raise HTTPException(413, LIMITS, CLOSE)
        take(len(unpacked))
        pieces.append(unpacked)
    if unpacker and (not unpacker.eof or unpacker.unused_data):
        ends = "has bytes behind its end" if unpacker.eof else "is cut off"
        raise HTTPException(400, f"The body is no whole gzip stream: it {ends}.")
    return b"".join(pieces)


def split(body: bytes) -> list[bytes]:
    """The events of a body, each exactly as it was sent.

    Raises:
        HTTPException: 400 if the body is no JSON or of another shape, 413 if there are too many events.
    """
    if envelope := ENVELOPE.fullmatch(body):
        # Blanks in place of the envelope, so that the places in messages stay right.
        body = b" " * envelope.start(1) + envelope[1]
    opening = body.lstrip()[:1]
    if opening != b"[" and (opening != b"{" or envelope):
        raise HTTPException(400, 'The body must be an event (a JSON object), an array of events, or {"events": [...]}.')
    try:
        return _decoded(body, list[msgspec.Raw] if opening == b"[" else msgspec.Raw)
    except RecursionError:
        raise HTTPException(400, "The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        place = "" if "(byte" in str(error) else f" (byte {len(body)})"
        raise HTTPException(400, f"The body is no JSON: {error}{place}.") from None


def _decoded(body: bytes, kind: Any) -> list[bytes]:
    try:
        return _values(body, kind)
    except msgspec.DecodeError:
        # JavaScript can cut a text in the middle of an emoji. For such an escape msgspec refuses the whole body; here
        # only the one event is odd, and what becomes of it is for the decoding of events to say.
        mended = ESCAPE.sub(lambda escape: WHOLE if escape["half"] else escape[0], body)
        events, at = [], 0
        for value in _values(mended, kind):
            # Between two values are only blanks and a comma, with which no value begins.
            start = mended.index(value, at)
            at = start + len(value)
            events.append(body[start:at])
        return events


def _values(body: bytes, kind: Any) -> list[bytes]:
    found = msgspec.json.decode(body, type=kind)
    events = found if isinstance(found, list) else [found]
    if len(events) > MOST_EVENTS:
        raise HTTPException(413, LIMITS)
    return [bytes(event).strip() for event in events]
