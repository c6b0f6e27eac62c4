"""Lists: what can be asked for, links in a header, and what was seen before."""

from datetime import timedelta

import pytest
from hypothesis import strategies

from transfers.models import LedgerEntry, Transfer


@pytest.fixture
def history(reena, rahul):
    """Four payments of Reena's account, newest first: amounts with their direction."""
    reena.send(rahul, "10.00")
    rahul.send(reena, "20.00")
    reena.send(rahul, "30.00")
    reena.send(rahul, "9000.00")  # refused
    return reena


def amounts(person, path) -> list[str]:
    response = person.api.get(path)
    assert response.status_code == 200, response.content
    return [one["amount"] for one in response.json()["results"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("currency=INR", ["9000.00", "30.00", "20.00", "10.00", "5000.00"]),
        ("currency=JPY", []),
        ("currency=INR&min_amount=20", ["9000.00", "30.00", "20.00", "5000.00"]),
        ("currency=INR&max_amount=20.00", ["20.00", "10.00"]),
        ("currency=INR&min_amount=10.01&max_amount=29.99", ["20.00"]),
        ("currency=INR&min_amount=0&status=COMPLETED&direction=out", ["30.00", "10.00"]),
        ("account_id={account}&min_amount=30", ["9000.00", "30.00", "5000.00"]),
        ("since={today}&until={today}&direction=in", ["20.00", "5000.00"]),
        ("until={yesterday}", []),
        ("since={tomorrow}", []),
    ],
)
def test_transfers_are_filtered_by_date_status_direction_and_amount(history, asked, found):
    assert amounts(history, f"/transfers?{filled(asked, history)}") == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["-30.00", "20.00", "-10.00", "5000.00"]),
        ("direction=in", ["20.00", "5000.00"]),
        ("direction=out", ["-30.00", "-10.00"]),
        ("min_amount=20", ["-30.00", "20.00", "5000.00"]),
        ("max_amount=20", ["20.00", "-10.00"]),
        ("direction=out&min_amount=10.01", ["-30.00"]),
        ("min_amount=20&max_amount=30&since={today}", ["-30.00", "20.00"]),
    ],
)
def test_entries_are_filtered_by_date_direction_and_amount(history, asked, found):
    path = f"/accounts/{history.account.public_id}/entries?{filled(asked, history)}"
    assert amounts(history, path) == found


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("min_amount=1", "min_amount"),  # of which currency?
        ("currency=INR&min_amount=1.001", "min_amount"),
        ("currency=INR&max_amount=-1", "max_amount"),
        ("currency=INR&max_amount=1e3", "max_amount"),
        ("currency=INR&min_amount=2&max_amount=1", "max_amount"),
        ("currency=inr", "currency"),
        ("currency=INR&currency=INR", "currency"),
        ("since=2026-13-01", "since"),
        ("since=2026-02-02&until=2026-02-01", "until"),
        ("direction=both", "direction"),
    ],
)
def test_a_filter_that_makes_no_sense_is_answered_400(reena, asked, field):
    response = reena.api.get(f"/transfers?{asked}")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)


def filled(asked: str, person) -> str:
    """Return the query with its dates and ids."""
    today = Transfer.objects.latest("pk").bank_date
    return asked.format(
        account=person.account.public_id,
        today=today,
        yesterday=today - timedelta(days=1),
        tomorrow=today + timedelta(days=1),
    )


# --- In pages ---------------------------------------------------------------------------------


def test_the_neighbours_of_a_page_are_in_the_link_header_too(history):
    first = history.api.get("/transfers?limit=2")
    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    second = history.api.get(first.json()["next"])
    body = second.json()
    assert second["Link"] == f'<{body["next"]}>; rel="next", <{body["previous"]}>; rel="prev"'
    assert "Link" not in history.api.get("/transfers")


def test_pages_stay_stable_whatever_is_added_meanwhile(by_chance, reena, rahul, settings):
    """Whoever walks to the end sees each row that was there at the start, once and in order."""
    settings.REQUESTS_PER_MINUTE = 10**9
    chance = by_chance(8)
    walks = strategies.tuples(
        strategies.sampled_from(["/transfers?", "/accounts/{}/entries?"]),
        strategies.integers(1, 4),
        strategies.lists(strategies.integers(0, 2), min_size=4, max_size=8),
    )

    @chance.given(walks)
    def run(walk):
        path, limit, added = walk
        path = path.format(reena.account.public_id) + f"limit={limit}"
        is_list = path.startswith("/transfers")
        key = "id" if is_list else "sequence"
        hers = LedgerEntry.objects.filter(account=reena.account)
        rows = Transfer.objects.visible_to(reena.user) if is_list else hers
        there = rows.order_by("-pk").values_list("public_id" if is_list else "sequence", flat=True)
        there, seen, additions = list(there), [], iter(added)
        while path:
            body = reena.api.get(path).json()
            seen += [row[key] for row in body["results"]]
            for _ in range(next(additions, 0)):
                reena.send(rahul, "0.01")
            path = body["next"]
        assert [one for one in seen if one in set(there)] == there
        assert seen == there, "what is newer than the first page is never met"

    reena.send(rahul, "1.00")
    rahul.send(reena, "1.00")
    run()


# --- Seen before ------------------------------------------------------------------------------


def test_what_has_not_changed_is_answered_304(reena, rahul):
    transfer = reena.send(rahul, "1.00").json()["id"]
    account = reena.account.public_id
    for path in (f"/transfers/{transfer}", f"/accounts/{account}", f"/accounts/{account}/limits"):
        first = reena.api.get(path)
        for known in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}'):
            again = reena.api.get(path, If_None_Match=known)
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert reena.api.get(path, If_None_Match='"x"').status_code == 200

    rahul.api.post(f"/transfers/{transfer}/receipt", {"received_amount": "1.00"})
    changed = reena.api.get(f"/transfers/{transfer}", If_None_Match=first["ETag"])
    assert (changed.status_code, changed.json()["receipt"]["status"]) == (200, "CONFIRMED")


def test_what_is_not_the_callers_has_no_etag(reena, anita):
    path = f"/accounts/{reena.account.public_id}"
    known = reena.api.get(path)["ETag"]
    answer = anita.api.get(path, If_None_Match=known)
    assert (answer.status_code, "ETag" in answer) == (404, False)


def test_the_openapi_document_is_fetched_once(client):
    first = client.get("/schema")
    assert client.get("/schema", headers={"If-None-Match": first["ETag"]}).status_code == 304
    yaml = client.get("/schema?format=yaml", headers={"If-None-Match": first["ETag"]})
    assert yaml.status_code == 200
