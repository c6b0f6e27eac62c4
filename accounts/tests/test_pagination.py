"""Lists in pages: exact in both directions, stable while rows are added, and revealing nothing."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts import numbers
from accounts.models import Account
from transfers.models import Transfer


@pytest.fixture
def seven(reena, rahul):
    """Seven transfers of Reena's, newest first, as ids; her list also has her opening deposit."""
    for amount in range(1, 8):
        reena.send(rahul, f"{amount}.00")
    return list(Transfer.objects.order_by("-pk").values_list("public_id", flat=True)[:7])


def transfers_of(person, path="/transfers?limit=2"):
    """One page as (ids, next, previous)."""
    response = person.api.get(path)
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"next", "previous", "results"}
    return [one["id"] for one in body["results"]], body["next"], body["previous"]


def walk(person, path, direction):
    """All pages from `path` on, and where the last one was."""
    pages = []
    while path:
        last = path
        ids, *links = transfers_of(person, path)
        pages.append(ids)
        path = links[0] if direction == "next" else links[1]
    return pages, last


def cursor_of(url) -> str:
    return parse_qs(urlsplit(url).query)["cursor"][0]


def decoded(cursor) -> list:
    payload = cursor.split(":")[0]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


# --- Walking ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 9, 200])
def test_walking_forth_and_back_shows_every_row_once_in_order(limit, reena, seven):
    everything = transfers_of(reena, "/transfers")[0]
    assert everything[:7] == seven
    forth, last = walk(reena, f"/transfers?limit={limit}", "next")
    back, _ = walk(reena, last, "previous")
    assert sum(forth, []) == everything
    assert sum(reversed(back), []) == everything
    assert [len(page) for page in forth[:-1]] == [limit] * (len(forth) - 1)
    assert all(forth)


def test_the_first_page_has_no_previous_and_the_last_no_next(reena, seven):
    ids, following, previous = transfers_of(reena, "/transfers?limit=6")
    assert (len(ids), previous) == (6, None)
    ids, following, previous = transfers_of(reena, following)
    assert (len(ids), following) == (2, None)
    assert transfers_of(reena, previous)[2] is None


def test_a_list_of_exactly_one_page_has_no_neighbours(reena, seven):
    ids, following, previous = transfers_of(reena, "/transfers?limit=8")
    assert (len(ids), following, previous) == (8, None, None)


def test_an_empty_list_has_no_neighbours(reena):
    response = reena.api.get("/transfers?status=REJECTED")
    assert response.json() == {"next": None, "previous": None, "results": []}


def test_links_keep_the_other_parameters(reena, seven):
    _, following, _ = transfers_of(reena, "/transfers?direction=out&limit=2&colour=blue")
    query = parse_qs(urlsplit(following).query)
    query.pop("cursor")
    assert query == {"direction": ["out"], "limit": ["2"], "colour": ["blue"]}
    assert urlsplit(following)[:3] == ("http", "testserver", "/transfers")


def test_rows_added_meanwhile_neither_repeat_nor_hide_a_row(reena, rahul, seven):
    first, following, _ = transfers_of(reena, "/transfers?limit=3")
    reena.send(rahul, "8.00")
    second, following, previous = transfers_of(reena, following)
    reena.send(rahul, "9.00")
    third, *_ = transfers_of(reena, following)
    assert (first + second + third)[:7] == seven
    assert transfers_of(reena, previous)[0] == first


def test_the_page_size_may_change_on_the_way(reena, seven):
    _, following, _ = transfers_of(reena, "/transfers?limit=2")
    assert transfers_of(reena, following.replace("limit=2", "limit=5"))[0] == seven[2:7]


def test_entries_are_walked_by_their_sequence(reena, seven):
    path = f"/accounts/{reena.account.public_id}/entries?limit=3"
    pages = []
    while path:
        body = reena.api.get(path).json()
        pages.append([one["sequence"] for one in body["results"]])
        path = body["next"]
    assert pages == [[8, 7, 6], [5, 4, 3], [2, 1]]


# --- How many ---------------------------------------------------------------------------------


@pytest.fixture
def many_accounts(reena):
    """Reena has 205 accounts; return the path of their list."""
    Account.objects.bulk_create(
        Account(
            number=numbers.with_check_digits(f"{n:010d}"),
            customer=reena.customer,
            name=f"Jar {n}",
            currency="INR",
        )
        for n in range(1, 205)
    )
    return f"/customers/{reena.customer.public_id}/accounts"


@pytest.mark.parametrize(
    ("query", "count"), [("", 50), ("?limit=1", 1), ("?limit=199", 199), ("?limit=200", 200)]
)
def test_a_page_has_50_rows_or_as_many_as_asked_for(query, count, reena, many_accounts):
    body = reena.api.get(many_accounts + query).json()
    assert len(body["results"]) == count
    assert body["next"]


WRONG_LIMITS = [
    *("0", "201", "-1", "+5", "1e2", "5.0", "", "%20", "5%20", "ten", "1_0", "0x5", "999999999"),
    *(
        "001",
        "01",
        "00",
        "1000",
        "%D9%A2",
        "%EF%BC%95",
        "%00",
        "null",
        "5;DROP TABLE",
        "'",
        "9" * 5000,
    ),
]


@pytest.mark.parametrize("limit", WRONG_LIMITS)
def test_any_other_limit_is_answered_400(limit, reena):
    response = reena.api.get(f"/transfers?limit={limit}")
    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert [one["field"] for one in response.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("parameter", ["limit=2", "cursor=x", "status=COMPLETED", "direction=in"])
def test_a_parameter_that_is_there_twice_is_answered_400(parameter, reena):
    response = reena.api.get(f"/transfers?{parameter}&{parameter}")
    assert response.status_code == 400
    assert [one["field"] for one in response.json()["errors"]] == [parameter.split("=")[0]]


@pytest.mark.parametrize("parameter", ["page=2", "offset=5", "order=amount", "Limit=0", "id__gt=1"])
def test_an_unknown_parameter_is_ignored(parameter, reena, seven):
    assert transfers_of(reena, f"/transfers?{parameter}")[0] == transfers_of(reena, "/transfers")[0]


# --- Cursors ----------------------------------------------------------------------------------


def test_a_cursor_holds_only_what_its_reader_has_seen(reena, seven):
    ids, following, _ = transfers_of(reena)
    assert decoded(cursor_of(following)) == ["next", ids[-1]]
    ids, _, previous = transfers_of(reena, following)
    assert decoded(cursor_of(previous)) == ["previous", ids[0]]


def test_a_cursor_of_entries_holds_their_sequence(reena, seven):
    body = reena.api.get(f"/accounts/{reena.account.public_id}/entries?limit=3").json()
    assert decoded(cursor_of(body["next"])) == ["next", 6]


def forged(cursor):
    """Cursors that only look like one."""
    payload, stamp, signature = cursor.split(":")
    other = base64.urlsafe_b64encode(b'["next",1]').decode().rstrip("=")
    return {
        "empty": "",
        "nonsense": "nonsense",
        "nul": "%00",
        "not ascii": "%F0%9F%99%82",
        "changed payload": f"{other}:{stamp}:{signature}",
        "changed stamp": f"{payload}:{stamp[::-1]}x:{signature}",
        "changed signature": f"{payload}:{stamp}:{signature[::-1]}",
        "no signature": f"{payload}:{stamp}:",
        "cut off": cursor[:-1],
        "only the payload": payload,
        "plain": base64.b64encode(b"p=5").decode(),
        "number": "5",
        "injection": "'%20OR%201=1",
        "long": "x" * 10_000,
    }


@pytest.mark.parametrize("kind", forged("a:b:c"))
def test_a_forged_cursor_is_answered_400(kind, reena, seven):
    cursor = cursor_of(transfers_of(reena)[1])
    response = reena.api.get(f"/transfers?cursor={forged(cursor)[kind]}")
    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert [one["field"] for one in response.json()["errors"]] == ["cursor"]


def test_a_cursor_of_another_list_is_answered_400(reena, rahul, seven):
    entries = reena.api.get(f"/accounts/{reena.account.public_id}/entries?limit=1").json()["next"]
    for path in ("/transfers", f"/customers/{reena.customer.public_id}/accounts"):
        assert reena.api.get(f"{path}?cursor={cursor_of(entries)}").status_code == 400
    rahuls = f"/accounts/{rahul.account.public_id}/entries?cursor={cursor_of(entries)}"
    assert rahul.api.get(rahuls).status_code == 400


def test_a_stolen_cursor_shows_nothing_of_its_owner(reena, anita, seven):
    following = transfers_of(reena)[1]
    (opening,), *_ = transfers_of(anita, "/transfers")
    assert transfers_of(anita, following)[0] == [opening]
