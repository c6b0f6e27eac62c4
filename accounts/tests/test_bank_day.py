"""The bank's day: from midnight to midnight where the bank is."""

import datetime as dt

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts import bank_day

ZONES = [
    "Asia/Kolkata",
    "UTC",
    "America/New_York",
    "America/Santiago",  # its clocks change at midnight
    "America/Havana",  # its midnight comes twice
    "Asia/Beirut",
    "Australia/Lord_Howe",  # its clocks change by half an hour
    "Pacific/Kiritimati",  # fourteen hours ahead
    "Pacific/Pago_Pago",  # eleven behind
]
days = st.dates(dt.date(2020, 1, 1), dt.date(2036, 12, 31))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@given(days, st.sampled_from(ZONES))
def test_a_day_ends_at_the_first_moment_of_the_next(day, zone):
    with override_settings(BANK_TIME_ZONE=zone):
        end = bank_day.end(day)
        assert bank_day.of(end) == day + dt.timedelta(days=1)
        assert bank_day.of(end - dt.timedelta(microseconds=1)) == day


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-31T18:29:59.999999", "2026-03-31"),
        ("2026-03-31T18:30:00", "2026-04-01"),
        ("2026-12-31T18:30:00", "2027-01-01"),
        ("2028-02-28T18:30:00", "2028-02-29"),
    ],
)
def test_midnight_in_kolkata_is_half_past_six_in_the_evening_utc(moment, day, settings):
    settings.BANK_TIME_ZONE = "Asia/Kolkata"
    assert bank_day.of(utc(moment)).isoformat() == day


def test_the_day_in_kolkata_ends_at_half_past_six_in_the_evening_utc(settings):
    settings.BANK_TIME_ZONE = "Asia/Kolkata"
    assert bank_day.end(dt.date(2026, 3, 31)) == utc("2026-03-31T18:30:00")


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kolkata", "2026-03-08", 24),
        ("America/New_York", "2026-03-07", 24),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Asia/Beirut", "2026-03-29", 23),
        ("Asia/Beirut", "2026-10-24", 25),
        ("America/Havana", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_a_day_on_which_clocks_change_has_fewer_or_more_hours(zone, day, hours, settings):
    settings.BANK_TIME_ZONE = zone
    day = dt.date.fromisoformat(day)
    length = bank_day.end(day) - bank_day.end(day - dt.timedelta(days=1))
    assert length == dt.timedelta(hours=hours)


def test_the_day_does_not_depend_on_the_zone_that_a_moment_is_written_in(settings):
    settings.BANK_TIME_ZONE = "Asia/Kolkata"
    moment = utc("2026-03-31T18:30:00")
    elsewhere = moment.astimezone(dt.timezone(dt.timedelta(hours=-8)))
    assert bank_day.of(elsewhere) == bank_day.of(moment) == dt.date(2026, 4, 1)


def test_the_zone_is_the_setting(settings):
    settings.BANK_TIME_ZONE = "America/New_York"
    assert bank_day.zone().key == "America/New_York"
