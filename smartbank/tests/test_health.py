"""What a load balancer asks: is the process alive, and can it serve?"""

import threading

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection

BUSY = {"code": "busy", "status": 503, "type": "/problems/busy"}


@pytest.fixture(params=[OperationalError(2002), DatabaseError("gone"), InterfaceError(0)])
def database_is_away(request, monkeypatch):
    """Refuse every connection's cursor, as a server that is down would."""

    def cursor(*args, **kwargs):
        raise request.param

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", cursor)
        yield


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_healthy_server_answers_200_to_anybody(path, method, stranger, db):
    response = getattr(stranger, method)(path)
    assert response.status_code == 200


def test_the_answers_say_which_question_they_answer(stranger, db):
    assert stranger.get("/healthz").json() == {"status": "alive"}
    assert stranger.get("/readyz").json() == {"status": "ready"}


def test_without_its_database_the_process_is_alive_all_the_same(stranger, db, database_is_away):
    assert stranger.get("/healthz").status_code == 200


def test_without_its_database_the_server_is_not_ready(stranger, db, database_is_away):
    response = stranger.get("/readyz")
    assert response.status_code == 503
    assert response.json().items() >= BUSY.items()
    assert int(response["Retry-After"]) >= 1


def test_with_a_migration_missing_the_server_is_not_ready(stranger, db, monkeypatch):
    plan = [("transfers.0003_tomorrow", False)]
    monkeypatch.setattr(
        "smartbank.health.MigrationExecutor.migration_plan", lambda self, targets: plan
    )
    monkeypatch.setattr("smartbank.health._migrated", threading.Event())
    response = stranger.get("/readyz")
    assert response.status_code == 503
    assert response.json().items() >= BUSY.items()


def test_once_all_has_migrated_that_is_not_asked_again(stranger, db, django_assert_num_queries):
    stranger.get("/readyz")
    with django_assert_num_queries(1):
        assert stranger.get("/readyz").status_code == 200


def test_asking_for_health_needs_no_database_query(stranger, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        stranger.get("/healthz")


def test_a_load_balancer_may_ask_over_plain_http(stranger, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/me").status_code == 301
