"""The connections file: what it may say, who may read it, and that errors never quote it."""

import json

import pytest

from clientnest_assets.sources.platforms.connections import ConnectionsError, load_connections
from clientnest_assets.sources.platforms.registry import PLATFORMS

GOOD = """
applications:
  twitter: {client_id: us, client_secret: s3cr3t, version: "2"}
accounts:
  - platform: twitter
    account_id: 12
    external_id: "2244994945"
    access_token: t0k3n
    refresh_token: r3fr3sh
    expires_at: 2026-03-10 12:00:00
  - {platform: tiktok, account_id: 12, external_id: -000abc, access_token: t0k3n}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, mode=0o600, name="connections.yaml"):
        file = tmp_path / name
        file.write_text(text)
        file.chmod(mode)
        return file

    return write


def test_yaml_and_json_say_the_same(write):
    import yaml

    from_yaml = load_connections(write(GOOD))
    from_json = load_connections(write(json.dumps(yaml.safe_load(GOOD), default=str), name="connections.json"))

    assert from_yaml == from_json
    (account,) = from_yaml.of(PLATFORMS["twitter"])
    assert (account.name, account.external_id, account.refresh_token.get_secret_value()) == (
        *("twitter/12", "2244994945", "r3fr3sh"),
    )
    assert account.expires_at.isoformat() == "2026-03-10T12:00:00+00:00"
    assert from_yaml.of(PLATFORMS["tiktok"], 13) == []
    assert "t0k3n" not in repr(from_yaml)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(write, mode):
    with pytest.raises(ConnectionsError, match="chmod 600"):
        load_connections(write(GOOD, mode))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConnectionsError, match="there is no connections file"):
        load_connections(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("platform: tiktok", "platform: myspace", "no platform myspace; there are twitter, facebook"),
        ('version: "2"', 'version: "1.1"', "applications.twitter.version 1.1 is not known; known are 2"),
        ("account_id: 12\n", "account_id: twelve\n", "accounts.0.account_id: Input should be a valid integer"),
        ("    access_token: t0k3n\n", "", "accounts.0.access_token: Field required"),
        ("{platform: tiktok, account_id: 12", "{platform: twitter, account_id: 12", "accounts stand twice: twitter/12"),
        ("external_id: -000abc", "external_id: a/b", "accounts.1.external_id: String should match pattern"),
        ("accounts:", "acounts:", "acounts: Extra inputs are not permitted"),
        ("refresh_token: r3fr3sh", "refresh_token: [r3fr3sh", "this is not YAML"),
    ],
)
def test_an_error_names_the_key_and_quotes_no_secret(write, old, new, said):
    with pytest.raises(ConnectionsError) as error:
        load_connections(write(GOOD.replace(old, new)))

    assert said in str(error.value)
    assert not any(secret in str(error.value) for secret in ("s3cr3t", "t0k3n", "r3fr3sh"))
