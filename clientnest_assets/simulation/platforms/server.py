"""The stand-in as a server on loopback, in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from clientnest_assets.simulation.platforms.faults import Faults, Tokens
from clientnest_assets.simulation.platforms.shown import Shown

READY_WITHIN_SECONDS = 10.0


class StandIn:
    """Serves while its `with` block lasts.

    Args:
        shown: what there is to see.
        now: the moment it is to the platforms: their limits and tokens go by it.
    """

    def __init__(self, shown: Shown, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.routing import Mount

        from clientnest_assets.simulation.platforms import linkedin, meta, tiktok, twitter
        from clientnest_assets.simulation.platforms.desk import Desk

        self.desk = Desk(shown, now)
        platforms = {
            "twitter": twitter.routes(self.desk),
            "facebook": meta.facebook(self.desk),
            "instagram": meta.instagram(self.desk),
            "linkedin": linkedin.routes(self.desk),
            "tiktok": tiktok.routes(self.desk),
        }
        app = Starlette(routes=[Mount(f"/{name}", routes=routes) for name, routes in platforms.items()])
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        self._socket = socket.socket()
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    @property
    def faults(self) -> Faults:
        """What it does wrong."""
        return self.desk.faults

    @property
    def tokens(self) -> Tokens:
        """The tokens it has issued."""
        return self.desk.tokens

    def base_url(self, platform: str) -> str:
        """Where a platform is served."""
        host, port = self._socket.getsockname()
        return f"http://{host}:{port}/{platform}"

    def __enter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._thread.start()
        until = time.monotonic() + READY_WITHIN_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise RuntimeError("the stand-in did not start")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
