"""The web application behind a real server, for tests of what it answers."""

import os
import socket
import threading
from contextlib import contextmanager
from unittest.mock import patch

import httpx
import uvicorn

from clientnest_assets.installation import Installation

READY_SECONDS = 60


@contextmanager
def installed(home, **settings):
    """The installation of a home, in this process' environment too."""
    variables = {"CLIENTNEST_ENVIRONMENT": "test", "CLIENTNEST_HOME": str(home), **settings}
    with patch.dict(os.environ, variables):
        yield Installation.load()


@contextmanager
def served(app, key=None):
    """The application behind a real server, and a client of it."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=READY_SECONDS) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
