"""How often somebody may try something: counted exactly, or counted at no cost.

What guessing and harvesting need often (signing in, tokens, quotes) is counted in the database:
`take` is exact over all workers, and a restart forgets nothing. All other calls are only paced
(`Pace`), by each process for itself, so that they cost no statement.

A window begins with its first attempt and is never made longer: nobody can keep another waiting
for good by going on.
"""

import datetime as dt
import ipaddress
import threading
import time
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework import exceptions, throttling

from accounts import transactions
from accounts.models import ThrottleWindow

PACE_SECONDS = 60
MOST_PACED = 10_000  # callers that a process remembers at once
SWEEP = 2  # windows that are over and go for each new one, so that the table cannot grow for ever


class TooMany(exceptions.Throttled):
    """A limit is used up; `seconds` says for how long."""

    def __init__(self, seconds: int):
        super().__init__(detail=f"Too many attempts. Try again in {seconds} seconds.")
        self.wait = self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` attempts of one caller in a window of `seconds`."""

    name: str
    quota: int
    seconds: int
    caller: str

    @property
    def key(self) -> str:
        """Return what the count is kept under: it tells nothing, as people type passwords into
        the wrong field."""
        return salted_hmac("throttle", f"{self.name} {self.caller}", algorithm="sha256").hexdigest()


def of_guessing(username: str, ip: str | None) -> list[Limit]:
    """Return the limits on guessing: one name from one address, and any names from it.

    None is on the name alone: whoever is guessed at from elsewhere still signs in from home.
    """
    address, seconds = network(ip), settings.SIGN_IN_WINDOW_SECONDS
    one_name = f"{address} {username.casefold()}"
    return [
        Limit("sign-in", settings.SIGN_IN_FAILURES, seconds, one_name),
        Limit("sign-in-address", settings.SIGN_IN_FAILURES_PER_ADDRESS, seconds, address),
    ]


def of_tokens(user) -> Limit:
    """Return the limit on making tokens."""
    return Limit("tokens", settings.TOKENS_PER_HOUR, 3600, str(user.pk))


def of_quotes(user) -> Limit:
    """Return the limit on asking what a transfer would do, and whose an account is."""
    return Limit("quotes", settings.QUOTES_PER_MINUTE, 60, str(user.pk))


def of_names(user) -> Limit:
    """Return the limit on asking whether an account bears a name: a person pays few new payees, and
    whoever collects names needs many answers."""
    return Limit("names", settings.NAME_CHECKS_PER_DAY, 24 * 3600, str(user.pk))


def of_replays(user) -> Limit:
    """Return the limit on asking for webhooks again, which others wait behind."""
    return Limit("replays", settings.REPLAYS_PER_HOUR, 3600, str(user.pk))


def of_recovery(ip: str | None) -> Limit:
    """Return the limit on asking for mails with a link to a new password."""
    return Limit("recovery", settings.RECOVERY_MAILS_PER_HOUR, 3600, network(ip))


def of_mailbox(email: str) -> Limit:
    """Return the limit on such mails to one address, whoever asks and whether the bank knows it."""
    quota = settings.RECOVERY_MAILS_PER_MAILBOX
    return Limit("recovery-mailbox", quota, 3600, email.casefold())


def network(ip: str | None) -> str:
    """Return whom an address stands for: with IPv6 everybody has a whole /64 to choose from."""
    if ip and ":" in ip:
        return str(ipaddress.ip_network(f"{ip}/64", strict=False))
    return ip or ""


# --- Counted in the database ------------------------------------------------------------------


def take(request, *limits: Limit) -> None:
    """Count one attempt against all of `limits`, or against none of them and raise TooMany.

    Of any number of simultaneous attempts exactly as many pass as are left.
    """
    found = {one.key: one for one in ThrottleWindow.objects.filter(key__in=_keys(limits))}
    _refuse_if_used_up(request, limits, found)  # a flood costs a read and neither lock nor commit
    windows = transactions.run(partial(_take, request, limits))
    _tell(request, limits, windows)
    if len(found) < len(limits):
        _sweep()


def give_back(limit: Limit) -> None:
    """Take back one attempt, which was none of those that are to be few."""
    used = ThrottleWindow.objects.filter(key=limit.key, used__gt=0)
    transactions.run(partial(used.update, used=F("used") - 1))


def forgive(limit: Limit) -> None:
    """Take back all attempts."""
    transactions.run(partial(ThrottleWindow.objects.filter(key=limit.key).update, used=0))


def _take(request, limits: tuple[Limit, ...]) -> dict[str, ThrottleWindow]:
    windows = {one.key: one for one in ThrottleWindow.objects.locked(_keys(limits))}
    _refuse_if_used_up(request, limits, windows)
    now = timezone.now()
    for limit in limits:
        window = windows.setdefault(limit.key, ThrottleWindow(key=limit.key, resets_at=now))
        if window.resets_at <= now:
            window.used, window.resets_at = 0, now + dt.timedelta(seconds=limit.seconds)
        window.used += 1
        window.save()  # a key that is taken meanwhile is a duplicate: run again
    return windows


def _refuse_if_used_up(request, limits, windows: dict[str, ThrottleWindow]) -> None:
    now = timezone.now()
    used_up = [
        windows[limit.key]
        for limit in limits
        if limit.key in windows
        and windows[limit.key].resets_at > now
        and windows[limit.key].used >= limit.quota
    ]
    if used_up:
        _tell(request, limits, windows)
        raise TooMany(max(_seconds_until(one.resets_at, now) for one in used_up))


def _keys(limits) -> list[str]:
    return sorted(limit.key for limit in limits)


def _seconds_until(moment: dt.datetime, now: dt.datetime) -> int:
    return -(-(moment - now) // dt.timedelta(seconds=1))


def _sweep() -> None:
    over = ThrottleWindow.objects.filter(resets_at__lte=timezone.now()).order_by("resets_at")
    keys = list(over.values_list("pk", flat=True)[:SWEEP])
    if keys:
        over.order_by().filter(pk__in=keys).delete()


# --- Counted in the process -------------------------------------------------------------------


class Pace(throttling.BaseThrottle):
    """At most REQUESTS_PER_MINUTE calls with one token, or in the sessions of one user, to each
    process: enough for any program that works, and an end to one that runs wild."""

    _lock = threading.Lock()
    _windows: dict[tuple, list] = {}  # caller: [calls, monotonic time of the end]

    def allow_request(self, request, view) -> bool:
        """Count the call; return whether it may pass. Strangers are stopped elsewhere."""
        if not request.user.is_authenticated:
            return True
        caller = ("token", request.auth.pk) if request.auth else ("user", request.user.pk)
        quota, now = settings.REQUESTS_PER_MINUTE, time.monotonic()
        with self._lock:
            if len(self._windows) >= MOST_PACED:
                self._windows.clear()
            window = self._windows.get(caller)
            if window is None or window[1] <= now:
                window = self._windows[caller] = [0, now + PACE_SECONDS]
            used, ends_at = window
            window[0] += used < quota
        self._seconds = max(1, int(ends_at - now))
        left = max(0, quota - used - 1)
        if left * 10 < quota:  # whoever is far from it need not know, and replays stay the same
            policy, rest = f"q={quota};w={PACE_SECONDS}", f"r={left};t={self._seconds}"
            _note(request, [f'"calls";{policy}', f'"calls";{rest}'])
        return used < quota

    def wait(self) -> int:
        """Return the seconds until calls pass again."""
        return self._seconds


# --- What the caller is told ------------------------------------------------------------------


def _tell(request, limits, windows: dict[str, ThrottleWindow]) -> None:
    """Note how much of each limit is left, for the RateLimit headers of the answer."""
    now = timezone.now()
    for limit in limits:
        used, seconds = 0, limit.seconds
        if (window := windows.get(limit.key)) and window.resets_at > now:
            used, seconds = window.used, _seconds_until(window.resets_at, now)
        left = max(0, limit.quota - used)
        _note(
            request,
            [
                f'"{limit.name}";q={limit.quota};w={limit.seconds}',
                f'"{limit.name}";r={left};t={seconds}',
            ],
        )


def _note(request, words: list[str]) -> None:
    django_request = getattr(request, "_request", request)
    django_request.rate_limits = [*getattr(django_request, "rate_limits", []), words]


def headers(request) -> dict[str, str]:
    """Return the RateLimit headers for the answer to `request`, if anything was counted."""
    noted = getattr(request, "rate_limits", None)
    if not noted:
        return {}
    policies, left = zip(*noted, strict=True)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}
