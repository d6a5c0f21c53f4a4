"""A server that speaks just enough S3 to be written to, records what it is asked, and can be made unsafe."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

ROLE = "/credentials-of-the-role"


class LookAlike(ThreadingHTTPServer):
    """Objects in memory. `honours_conditions` is what real stores do; `status` answers every put with an error."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.honours_conditions = True
        self.status = 200
        self.lock = threading.Lock()

    @property
    def options(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def puts(self) -> list[tuple[str, dict[str, str]]]:
        """Path and headers of each put, header names in lower case."""
        return [(path, headers) for method, path, headers in self.requests if method == "PUT"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LookAlike

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.key = urlsplit(self.path).path
        self.query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.key, headers))
        return True

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            if self.server.status != 200:
                return self.answer(self.server.status)
            if self.headers.get("If-None-Match") and self.key in self.server.objects and self.server.honours_conditions:
                return self.answer(412)
            self.server.objects[self.key] = content
        return self.answer(200, headers={"ETag": '"1"'})

    def do_GET(self) -> None:
        if self.key == ROLE:
            keys = {"AccessKeyId": "ofrole", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}
            return self.answer(200, json.dumps(keys).encode(), {"Content-Type": "application/json"})
        if "list-type" in self.query:
            return self.list()
        content = self.server.objects.get(self.key)
        if content is None:
            return self.answer(404)
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        if not start:
            start, end = max(0, len(content) - int(end)), ""
        piece = content[int(start) : int(end) + 1 if end else None]
        total = {"Content-Range": f"bytes {start}-{int(start) + len(piece) - 1}/{len(content)}"}
        partial = "Range" in self.headers
        return self.answer(206 if partial else 200, piece, {"ETag": '"1"', **(total if partial else {})})

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self.key)
        self.answer(404 if content is None else 200, content or b"", {"ETag": '"1"'})

    def do_POST(self) -> None:
        """Many objects deleted with one request."""
        listed = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        keys = re.findall("<Key>(.*?)</Key>", listed)
        for key in keys:
            self.server.objects.pop(f"{self.key.rstrip('/')}/{unescape(key)}", None)
        done = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

    def list(self) -> None:
        prefix = self.query.get("prefix", [""])[0]
        bucket = self.key.rstrip("/") + "/"
        found = sorted(key.removeprefix(bucket) for key in self.server.objects if key.startswith(bucket + prefix))
        folders = set()
        if "delimiter" in self.query:
            folders = {
                prefix + key.removeprefix(prefix).split("/")[0] + "/" for key in found if "/" in key[len(prefix) :]
            }
            found = [key for key in found if "/" not in key[len(prefix) :]]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[bucket + key])}</Size>"
            '<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"1"</ETag></Contents>'
            for key in found
        ) + "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders))
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self.answer(200, body.encode(), {"Content-Type": "application/xml"})

    def answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def look_alike() -> Iterator[LookAlike]:
    with LookAlike() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
