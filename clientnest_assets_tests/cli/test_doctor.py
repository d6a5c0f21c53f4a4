"""What `clientnest doctor` looks at."""

from clientnest_assets.cli import doctor


def test_a_redis_that_does_not_answer_is_found_and_none_is_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path))
    assert list(doctor.CHECKS["online store"]()) == []

    monkeypatch.setenv("CLIENTNEST_ONLINE_STORE_URL", "redis://127.0.0.1:1")
    ((problem, remedy),) = doctor.CHECKS["online store"]()

    assert "redis://127.0.0.1:1 failed" in problem
    assert "CLIENTNEST_ONLINE_STORE_URL" in remedy
