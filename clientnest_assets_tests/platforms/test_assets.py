"""The platforms' assets, job and schedule: there where a connections file is configured, and what a run of one reports."""

import json

import dagster as dg
import pytest

from clientnest_assets.defs.platforms import platform_assets, platform_jobs, platform_key, platform_schedules
from clientnest_assets.installation import Installation
from clientnest_assets.settings import Environment, Settings
from clientnest_assets.sources.platforms.registry import PLATFORMS


@pytest.fixture
def installation(kit, tmp_path):
    file = tmp_path / "connections.json"
    settings = Settings(
        environment=Environment.PRODUCTION,
        home=tmp_path / "home",
        app_database_url=kit.app,
        lake_url=kit.lake.root,
        platform_connections=file,
    )

    def write():
        secret = {"access_token", "refresh_token", "client_secret"}
        content = json.loads(kit.connections.model_dump_json())
        for each, (key, tokens) in zip(content["accounts"], kit.tokens.items(), strict=True):
            assert key == (each["platform"], each["account_id"])
            each.update(tokens)
        for each in content["applications"].values():
            each["client_secret"] = "secret"
        assert all(secret & set(each) for each in content["accounts"])
        file.write_text(json.dumps(content))
        file.chmod(0o600)
        return Installation(settings)

    return write


def test_without_a_connections_file_there_is_nothing(tmp_path):
    installation = Installation(Settings(environment=Environment.TEST, home=tmp_path))

    assert platform_assets(installation) == []
    assert platform_jobs(installation) == []
    assert platform_schedules(platform_jobs(installation), running=True) == []


def test_each_platform_is_an_asset_and_one_job_collects_them_by_the_hour(installation):
    configured = installation()
    assets = platform_assets(configured)
    jobs = platform_jobs(configured)
    (schedule,) = platform_schedules(jobs, running=False)

    assert [each.key for each in assets] == [platform_key(name) for name in PLATFORMS]
    assert {each.group_names_by_key[each.key] for each in assets} == {"platforms"}
    assert (schedule.cron_schedule, schedule.default_status) == ("20 * * * *", dg.DefaultScheduleStatus.STOPPED)
    definitions = dg.Definitions(assets=assets, jobs=jobs, schedules=[schedule], resources={"installation": configured})
    assert definitions.resolve_job_def("collect_platforms")


def test_a_run_collects_and_warns_of_accounts_that_did_not_answer(kit, make_post, installation):
    kit.show("twitter", 12, make_post(1, likes=4))
    external_id = kit.show("twitter", 13, make_post(2, likes=5))
    kit.stand_in.faults.revoked.add(("twitter", external_id))
    configured = installation()
    # The run goes by the real clock, to which the posts are old.
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            platform_assets(configured),
            selection=dg.AssetSelection.assets(platform_key("twitter")),
            resources={"installation": configured},
            instance=instance,
        )
        (observed,) = instance.fetch_observations(dg.AssetKey(["raw", "account_metrics"]), limit=10).records

    assert result.success
    metadata = result.asset_materializations_for_node("platforms__twitter")[0].metadata
    assert (metadata["accounts_done"].value, metadata["accounts_failed"].value) == (1, 1)
    assert (metadata["rows_received"].value, metadata["rows_written"].value) == (1, 1)
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["reasons"].value[0].startswith("13: access was revoked")
    assert observed.asset_observation.metadata["source"].value == "platform:twitter"
    assert kit.raw("account_metrics").get_column("account_id").to_list() == [12]
