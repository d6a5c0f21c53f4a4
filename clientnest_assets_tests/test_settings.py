"""Each environment takes exactly its own variables, and one error names everything that is wrong."""

import pytest

from clientnest_assets.settings import DATABASES, REQUIRED_OUTSIDE, Environment, Settings, SettingsError

PRODUCTION = {
    "CLIENTNEST_ENVIRONMENT": "production",
    "CLIENTNEST_APP_DATABASE_URL": "postgresql://reader:secret@db.example.com/clientnest",
    "CLIENTNEST_LAKE_URL": "s3://bucket/lake",
    "CLIENTNEST_WAREHOUSE_URL": "postgres://writer:secret@db.example.com/warehouse",
    "CLIENTNEST_DAGSTER_DATABASE_URL": "postgresql://dagster:secret@db.example.com/dagster",
    "CLIENTNEST_PSEUDONYM_KEY": "k" * 32,
    "CLIENTNEST_FIRST_DAY": "2024-01-01",
}


def refusal(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> list[str]:
    """The problems that loading these settings names, a line each."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    return str(raised.value).splitlines()[1:]


def test_without_any_variable_it_is_embedded_beside_the_project():
    settings = Settings.load()

    assert settings.environment is Environment.EMBEDDED
    assert settings.home.name == ".clientnest"
    assert settings.is_embedded


def test_production_takes_its_addresses(monkeypatch):
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)

    settings = Settings.load()

    assert not settings.is_embedded
    assert settings.lake_url == "s3://bucket/lake"
    assert str(settings.first_day) == "2024-01-01"
    assert "k" * 32 not in repr(settings)


def test_the_address_of_the_pages_can_be_said_and_has_to_be_one_of_the_web(monkeypatch):
    assert Settings.load().web_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("CLIENTNEST_WEB_URL", "https://analytics.example.com/")
    assert Settings.load().web_url == "https://analytics.example.com/"
    (problem,) = refusal(monkeypatch, {"CLIENTNEST_WEB_URL": "analytics.example.com"})
    assert "CLIENTNEST_WEB_URL must begin with http:// or https://" in problem


def test_a_test_environment_runs_in_the_folder_it_names(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path))

    assert Settings.load().home == tmp_path


def test_a_test_environment_never_uses_the_default_folder(monkeypatch):
    (problem,) = refusal(monkeypatch, {"CLIENTNEST_ENVIRONMENT": "test"})

    assert "CLIENTNEST_HOME is missing" in problem


def test_an_unknown_environment_is_refused_with_the_known_ones(monkeypatch):
    (problem,) = refusal(monkeypatch, {"CLIENTNEST_ENVIRONMENT": "staging"})

    assert "CLIENTNEST_ENVIRONMENT is 'staging'" in problem
    assert "embedded, production, test" in problem


def test_production_names_every_missing_variable_at_once(monkeypatch):
    problems = refusal(monkeypatch, {"CLIENTNEST_ENVIRONMENT": "production"})

    assert len(problems) == len(REQUIRED_OUTSIDE)
    for name, problem in zip(REQUIRED_OUTSIDE, problems, strict=True):
        assert f"CLIENTNEST_{name.upper()} is missing" in problem


@pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"CLIENTNEST_ENVIRONMENT"}))
@pytest.mark.parametrize("value", [None, ""])
def test_production_does_not_fall_back_for_one_that_is_missing_or_empty(monkeypatch, name, value):
    variables = {key: given for key, given in PRODUCTION.items() if key != name}
    problems = refusal(monkeypatch, variables if value is None else {**variables, name: value})

    assert len(problems) == 1
    assert name in problems[0]


@pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"CLIENTNEST_ENVIRONMENT"}))
def test_the_embedded_environment_refuses_an_address(monkeypatch, name):
    (problem,) = refusal(monkeypatch, {name: PRODUCTION[name]})

    assert problem.startswith(f"  - {name} is set, but CLIENTNEST_ENVIRONMENT is embedded")


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_is_a_plain_postgresql_address(monkeypatch, name):
    variable = f"CLIENTNEST_{name.upper()}"
    (problem,) = refusal(monkeypatch, {**PRODUCTION, variable: "postgresql+psycopg2://db.example.com/x"})

    assert f"{variable} must begin with postgresql://" in problem


def test_a_short_pseudonym_key_is_refused_and_not_shown(monkeypatch):
    (problem,) = refusal(monkeypatch, {**PRODUCTION, "CLIENTNEST_PSEUDONYM_KEY": "hunter2"})

    assert "shorter than 32 characters" in problem
    assert "hunter2" not in problem


def test_several_problems_of_different_kinds_stand_in_one_error(monkeypatch):
    variables = {**PRODUCTION, "CLIENTNEST_PSEUDONYM_KEY": "short", "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}
    del variables["CLIENTNEST_LAKE_URL"]
    problems = refusal(monkeypatch, variables)

    assert [problem.split()[1] for problem in problems] == [
        "AWS_S3_ALLOW_UNSAFE_RENAME",
        "CLIENTNEST_LAKE_URL",
        "CLIENTNEST_PSEUDONYM_KEY",
    ]


def test_unreadable_values_of_any_variable_are_named(monkeypatch):
    variables = {"CLIENTNEST_ENVIRONMENT": "prod", "CLIENTNEST_FIRST_DAY": "yesterday"}
    problems = refusal(monkeypatch, variables)

    assert [problem.split()[1] for problem in problems] == ["CLIENTNEST_ENVIRONMENT", "CLIENTNEST_FIRST_DAY"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_S3_ALLOW_UNSAFE_RENAME": "true"}, "concurrent commits to the lake would be lost"),
        ({"AWS_CONDITIONAL_PUT": "disabled"}, "without conditional puts concurrent commits"),
        ({"AWS_S3_LOCKING_PROVIDER": "dynamodb"}, "other writers would not see its locks"),
        ({"AWS_SERVER_SIDE_ENCRYPTION": "yes"}, "Use one of: AES256, aws:kms, aws:kms:dsse"),
        ({"AWS_SSE_KMS_KEY_ID": "a-key"}, "needs AWS_SERVER_SIDE_ENCRYPTION=aws:kms"),
        ({"CLIENTNEST_COMPUTE_LOGS_URL": "/var/log"}, "CLIENTNEST_COMPUTE_LOGS_URL must be s3://bucket/prefix"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_of_a_store_that_would_lose_commits_or_mean_nothing_are_refused_everywhere(
    monkeypatch, variables, message
):
    (problem,) = refusal(monkeypatch, variables)

    assert message in problem


def test_the_conditional_put_that_is_the_default_may_be_said(monkeypatch):
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "etag")

    assert Settings.load().is_embedded


@pytest.mark.parametrize("url", ["redis://redis.example.com", "rediss://user:secret@redis.example.com:6380/1"])
def test_a_redis_can_keep_the_newest_features_in_every_environment(monkeypatch, url):
    monkeypatch.setenv("CLIENTNEST_ONLINE_STORE_URL", url)

    assert Settings.load().online_store_url == url


def test_an_online_store_of_another_kind_is_refused(monkeypatch):
    (problem,) = refusal(monkeypatch, {"CLIENTNEST_ONLINE_STORE_URL": "memcached://cache.example.com"})

    assert "CLIENTNEST_ONLINE_STORE_URL must begin with redis:// or rediss://" in problem
