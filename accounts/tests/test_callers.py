"""Who is remembered by a token pays with it only as long as it counts."""

import datetime as dt
from contextlib import closing
from functools import partial
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import callers, rows, tokens
from accounts.models import ApiToken
from transfers import group_commit, payments
from transfers.models import Transfer

pytestmark = pytest.mark.django_db(transaction=True)

GONE = "The token is wrong, expired or revoked."


def change(what: str, **columns) -> partial:
    """Return what changes columns of a token's row, or of its user's, past all that this process
    remembers: as another process would."""

    def work(token: ApiToken) -> None:
        model, key = (ApiToken, token.pk) if what == "token" else (type(token.user), token.user_id)
        model.objects.filter(pk=key).update(**columns)

    return work


NO_MORE = {
    "revoked": change("token", revoked_at=timezone.now()),
    "ended": change("token", expires_at=timezone.now() - dt.timedelta(seconds=1)),
    "user deactivated": change("user", is_active=False),
    "user a superuser": change("user", is_superuser=True),
}
STAFF = {"user became staff": change("user", is_staff=True)}


@pytest.fixture
def known(reena, rahul):
    """Reena has paid Rahul, so this process remembers her token; return its row."""
    assert reena.send(rahul, "1.00").status_code == 201
    token = ApiToken.objects.select_related("user").get(user=reena.user)
    assert callers.recall(token.token_hash).pk == token.pk
    return token


def asked_for_tokens(work) -> list[bool]:
    """Return for each statement about tokens whether it came in the transaction of a payment."""
    return inside_a_transaction(work, "FROM api_tokens token")


def notes_of_use(work) -> list[bool]:
    """Return for each note that a token is used whether it came in a payment's transaction."""
    return inside_a_transaction(work, "UPDATE api_tokens")


def inside_a_transaction(work, words: str) -> list[bool]:
    """Return for each statement with these words whether a transaction was under way."""
    with CaptureQueriesContext(connection) as asked:
        work()
    inside, found = False, []
    for one in asked:
        inside = (inside or one["sql"].startswith("BEGIN")) and one["sql"] != "COMMIT"
        found += [inside] * (words in one["sql"])
    return found


def test_a_second_payment_looks_at_the_token_in_its_transaction_alone(known, reena, rahul):
    assert asked_for_tokens(lambda: reena.send(rahul, "1.00")) == [True]
    assert asked_for_tokens(lambda: reena.api.get("/transfers")) == [False]
    callers.forget(known.token_hash)
    assert asked_for_tokens(lambda: reena.send(rahul, "1.00")) == [False, True]


def last_use(token: ApiToken) -> dt.timedelta:
    """Return how long ago the token was used, as far as that is noted."""
    return timezone.now() - ApiToken.objects.get(pk=token.pk).last_used_at


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_payment_notes_every_ten_minutes_in_its_transaction_that_the_token_is_used(
    clock, known, reena, rahul, is_remembered
):
    noted = []
    for seconds in (599, 1, 0, 600):
        clock(seconds)
        if not is_remembered:
            callers.forget(known.token_hash)
        noted.append(notes_of_use(lambda: reena.send(rahul, "1.00")))
    assert noted == [[], [True], [], [True]]
    assert last_use(known) == dt.timedelta(0)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_an_order_that_no_transaction_comes_to_is_a_use_of_the_token_all_the_same(
    clock, known, reena, rahul, is_remembered
):
    clock(600)
    if not is_remembered:
        callers.forget(known.token_hash)
    assert notes_of_use(lambda: reena.send(rahul, "much")) == [False]
    assert last_use(known) == dt.timedelta(0)
    assert notes_of_use(lambda: reena.send(rahul, "much")) == []


@pytest.mark.row_locks
def test_a_payment_does_not_wait_for_a_token_that_somebody_else_has_locked(
    clock, known, reena, rahul
):
    clock(600)
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT id FROM api_tokens WHERE id = %s FOR UPDATE", [known.pk])
        assert notes_of_use(lambda: reena.send(rahul, "1.00")) == []
        other.rollback()
    assert rahul.balance() == 300_200
    assert notes_of_use(lambda: reena.send(rahul, "1.00")) == [True]


def test_a_token_that_does_not_count_is_not_used(clock, known, reena, rahul):
    clock(600)
    NO_MORE["revoked"](known)
    assert reena.send(rahul, "1.00").status_code == 401
    assert last_use(known) == dt.timedelta(minutes=10)


@pytest.mark.parametrize("name", NO_MORE)
def test_a_remembered_token_that_does_not_count_any_more_pays_nobody(
    known, reena, rahul, books, name
):
    NO_MORE[name](known)
    before = books()
    answer = reena.send(rahul, "1.00", key="k")
    assert (answer.status_code, answer.json()["detail"]) == (401, GONE)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert books() == before


@pytest.mark.parametrize("name", NO_MORE)
@pytest.mark.parametrize("key", ["k", "not\ta key"])
def test_it_is_not_even_told_what_is_wrong_with_its_order(known, reena, rahul, books, name, key):
    NO_MORE[name](known)
    before = books()
    order = reena.order(rahul, "much") if key == "k" else reena.order(rahul, "1.00")
    answer = reena.api.post("/transfers", order, key=key)
    assert (answer.status_code, answer.json()["detail"]) == (401, GONE)
    assert books() == before


def test_a_refusal_waits_for_a_database_that_can_tell(known, reena, rahul, monkeypatch):
    away = Mock(side_effect=OperationalError(2002, "Can't connect to server"))
    monkeypatch.setattr(rows, "joined", away)
    answer = reena.send(rahul, "much")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert away.called


def test_a_customer_who_became_staff_pays_nobody(known, reena, rahul, books):
    STAFF["user became staff"](known)
    before = books()
    answer = reena.send(rahul, "1.00")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert books() == before


def test_a_wrong_order_with_a_token_that_counts_is_told_what_is_wrong(known, reena, rahul):
    answer = reena.send(rahul, "much")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


def test_a_token_works_from_its_addresses_alone_also_if_remembered(reena, rahul, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    secret, _ = tokens.create(reena.user, allowed_ips="203.0.113.9", origin=reena.origin)
    reena.api.credentials = {"Authorization": f"Bearer {secret}"}
    for address, status in (("203.0.113.9", 201), ("203.0.113.10", 401), ("203.0.113.9", 201)):
        order = reena.order(rahul, "1.00")
        answer = reena.api.post("/transfers", order, X_Forwarded_For=address)
        assert answer.status_code == status


def test_a_token_revoked_after_it_was_looked_up_pays_nobody(monkeypatch, reena, rahul, books):
    before, post = books(), group_commit.post

    def revoke_first(order):
        assert tokens.revoke(ApiToken.objects.get(user=reena.user), origin=reena.origin)
        return post(order)

    monkeypatch.setattr(group_commit, "post", revoke_first)
    assert reena.send(rahul, "1.00").status_code == 401
    assert books() == before


def test_a_token_that_counts_again_when_it_is_looked_up_is_asked_to_come_again(
    monkeypatch, known, reena, rahul, books
):
    change("token", revoked_at=timezone.now())(known)
    before, look_up_again = books(), tokens.look_up_again

    def restored(request):
        change("token", revoked_at=None)(known)
        look_up_again(request)

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "look_up_again", restored)
        assert reena.send(rahul, "1.00").status_code == 503
    assert books() == before
    assert reena.send(rahul, "1.00").status_code == 201


def test_who_has_paid_is_told_so_though_the_reply_was_lost_and_the_token_is_revoked_since(
    monkeypatch, known, reena, rahul
):
    wrapper = type(connections["default"])
    commit = wrapper._commit

    def lose_the_reply(database):
        monkeypatch.setattr(wrapper, "_commit", commit)
        commit(database)
        NO_MORE["revoked"](known)
        raise OperationalError(2013, "Lost connection to server during query")

    monkeypatch.setattr(wrapper, "_commit", lose_the_reply)
    answer = reena.send(rahul, "1.00")
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer
    assert rahul.balance() == 300_200
    assert reena.send(rahul, "1.00").status_code == 401


def test_whose_token_does_not_count_is_no_matter_to_the_others_of_a_batch(reena, rahul, anita):
    gone = ApiToken.objects.get(user=reena.user)
    NO_MORE["revoked"](gone)
    counts = ApiToken.objects.get(user=anita.user)
    orders = [
        payments.order(
            person.user,
            payments.Payment(
                from_account_id=person.account.public_id,
                to_account_id=rahul.account.public_id,
                amount="1.00",
            ),
            token_id=token and token.pk,
            origin=person.origin,
        )
        for person, token in ((reena, gone), (anita, counts), (reena, None))
    ]
    refused, *paid = payments.group_commit.operations.post(orders)
    assert refused is payments.NOT_ADMITTED
    assert [one.transfer.status for one in paid] == ["COMPLETED", "COMPLETED"]
    assert Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).count() == 2
    assert rahul.balance() == 300_200


@pytest.mark.parametrize("name", ["nothing", *NO_MORE, *STAFF])
def test_what_is_admitted_is_what_counts_everywhere_else(reena, name):
    token = ApiToken.objects.select_related("user").get(user=reena.user)
    if name != "nothing":
        (NO_MORE | STAFF)[name](token)
    valid = ApiToken.objects.valid().filter(pk=token.pk, user__is_staff=False)
    [admitted] = rows.run(callers.admitted([token.pk]))
    caller = (token.pk, reena.user.pk, reena.customer.pk)
    assert list(admitted) == [caller for _ in valid]
    assert bool(admitted) == (name == "nothing")


def test_only_customers_are_remembered_and_not_for_good(known, teller, monkeypatch):
    assert teller.api.get("/me").status_code == 200
    assert callers._known.keys() == {known.token_hash}
    monkeypatch.setattr(callers, "SECONDS", 0)
    callers.remember(callers.recall(known.token_hash))
    assert callers.recall(known.token_hash) is None


def test_a_process_does_not_remember_callers_without_end(monkeypatch, reena, rahul, anita):
    monkeypatch.setattr(callers, "MOST", 2)
    for person in (reena, rahul, anita):
        assert person.api.get("/me").status_code == 200
        assert 1 <= len(callers._known) <= 2
