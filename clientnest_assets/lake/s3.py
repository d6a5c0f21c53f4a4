"""How the libraries are told of one bucket: the options that Delta and Polars take, for obstore and for DuckDB.

The options bear the names of the environment's `AWS_*` variables. Where they hold no access key, each library finds
the one of the container's or the machine's role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

ALLOW_HTTP = "AWS_ALLOW_HTTP"
ACCESS_KEY, SECRET_KEY, TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
TRUE = ("1", "true", "yes", "on")


def open_bucket(root: str, options: Mapping[str, str], **client: Any) -> S3Store:
    """An obstore store of all that lies under `s3://bucket/prefix`.

    Args:
        root: the bucket and the prefix.
        options: the `AWS_*` options.
        client: further arguments of the store, such as `retry_config`.
    """
    from obstore.store import S3Store

    address = urlsplit(root)
    config = {name.lower(): value for name, value in options.items() if name != ALLOW_HTTP}
    return S3Store(
        address.netloc,
        prefix=address.path.strip("/") or None,
        config=cast("S3Config", config),
        client_options={"allow_http": is_on(options, ALLOW_HTTP)},
        **client,
    )


def duckdb_secret(root: str, options: Mapping[str, str]) -> dict[str, str]:
    """The parameters of DuckDB's S3 secret, those without a value left out."""
    address = urlsplit(options.get("AWS_ENDPOINT_URL", ""))
    is_virtual_hosted = is_on(options, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST")
    # The others want the bucket in a virtual-hosted endpoint, DuckDB puts it there by itself.
    endpoint = address.netloc.removeprefix(f"{urlsplit(root).netloc}.") if is_virtual_hosted else address.netloc
    given = {
        **_credentials(options),
        "region": options.get("AWS_REGION") or options.get("AWS_DEFAULT_REGION", ""),
        "endpoint": endpoint,
        "url_style": "vhost" if is_virtual_hosted else "path",
        "use_ssl": "false" if address.scheme == "http" else "",
    }
    return {name: value for name, value in given.items() if value}


def is_on(options: Mapping[str, str], name: str) -> bool:
    """Whether a switch among the options is on."""
    return options.get(name, "").lower() in TRUE


def _credentials(options: Mapping[str, str]) -> dict[str, str]:
    if ACCESS_KEY in options:
        return {
            "key_id": options[ACCESS_KEY],
            "secret": options.get(SECRET_KEY, ""),
            "session_token": options.get(TOKEN, ""),
        }
    from obstore.auth.boto3 import Boto3CredentialProvider

    found = Boto3CredentialProvider()()
    return {
        "key_id": found["access_key_id"],
        "secret": found["secret_access_key"],
        "session_token": found.get("token") or "",
    }
