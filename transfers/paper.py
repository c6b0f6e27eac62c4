"""Statements and receipts as PDF, in letters of our own, so that they look alike everywhere.

Where `uharfbuzz` is not installed, Devanagari is written without its ligatures.
"""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont, shapeStr
from reportlab.pdfgen.canvas import Canvas

from accounts import money
from accounts.numbers import masked
from accounts.templatetags.bank import spaced
from transfers.models import LedgerEntry, Transfer
from transfers.sides import Side
from transfers.statements import Statement, entry_reference, other_side

FONTS = Path(__file__).with_name("fonts")
PLAIN, BOLD, DEVANAGARI = "NotoSans-Regular", "NotoSans-Bold", "NotoSansDevanagari-Regular"
WIDTH, HEIGHT = A4
LEFT, RIGHT, TOP, BOTTOM = 54, WIDTH - 54, HEIGHT - 60, 60
DATE, NAME, AMOUNT, BALANCE = LEFT, LEFT + 70, RIGHT - 95, RIGHT  # where columns begin or end
MOST_LINES = 20_000


@cache
def _register_fonts() -> None:
    for name in (PLAIN, BOLD, DEVANAGARI):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{name}.ttf"))


class _Sheet:
    """Paper that is written on from top to bottom, a new page when one is full."""

    def __init__(self, title: str):
        _register_fonts()
        self.file = io.BytesIO()
        self.canvas = Canvas(self.file, pagesize=A4, lang=settings.LANGUAGE_CODE)
        self.canvas.setTitle(title)
        self.canvas.setAuthor(settings.BANK_NAME)
        self.page = 0
        self.y = TOP
        self._letterhead()

    def _letterhead(self) -> None:
        self.page += 1
        self.y = TOP
        self.text(LEFT, settings.BANK_NAME, BOLD, 13)
        self.text(LEFT, f"{settings.BANK_NAME} · {settings.BANK_CONTACT}", size=8, y=36)
        self.text(RIGHT, str(self.page), size=8, y=36, right=True)
        self.down(34)

    def down(self, points: float) -> bool:
        """Go down; return whether that began a new page."""
        self.y -= points
        if self.y < BOTTOM:
            self.canvas.showPage()
            self._letterhead()
            return True
        return False

    def text(self, x, text, font=PLAIN, size=10, *, y=None, right=False, room=None) -> None:
        """Write one line at `x`, cut off where there is no more `room`."""
        runs = list(_runs(text, font))
        if room:
            while len(text) > 1 and _width(runs, size) > room:
                text = text.rstrip("…")[:-1] + "…"
                runs = list(_runs(text, font))
        x -= _width(runs, size) if right else 0
        for face, run in runs:
            self.canvas.setFont(face, size)
            if face == DEVANAGARI:  # vowels change places and letters grow together
                run = shapeStr(run, face, size)
            self.canvas.drawString(x, self.y if y is None else y, run)
            x += pdfmetrics.stringWidth(run, face, size)

    def rule(self) -> None:
        """Draw a fine line just below."""
        self.canvas.setLineWidth(0.4)
        self.canvas.line(LEFT, self.y - 5, RIGHT, self.y - 5)

    def done(self) -> bytes:
        """Return the document."""
        self.canvas.save()
        return self.file.getvalue()


def _runs(text: str, font: str) -> Iterator[tuple[str, str]]:
    """Yield the text in runs of one script with the font for each."""
    run, face = "", font
    for character in text:
        is_devanagari = "\u0900" <= character <= "\u097f" or character in "\u200c\u200d"
        wanted = DEVANAGARI if is_devanagari else font
        if run and wanted != face and character != " ":
            yield face, run
            run = ""
        if character != " " or not run:
            face = wanted
        run += character
    if run:
        yield face, run


def _width(runs, size) -> float:
    return sum(pdfmetrics.stringWidth(run, face, size) for face, run in runs)


def statement(made: Statement) -> bytes:
    """Return the statement as a PDF."""
    account = made.account
    title = _("Account statement")
    sheet = _Sheet(title)

    def amount(minor: int) -> str:
        return money.display(minor, account.currency)

    def heading() -> None:
        for x, words, right in (
            (DATE, _("Date"), False),
            (NAME, _("What"), False),
            (AMOUNT, _("Amount"), True),
            (BALANCE, _("Balance"), True),
        ):
            sheet.text(x, words, BOLD, 9, right=right)
        sheet.rule()
        sheet.down(20)

    def total(words: str, day, minor: int) -> None:
        sheet.text(DATE, date_format(day, "j M Y"), size=9)
        sheet.text(NAME, words, BOLD, 9)
        sheet.text(BALANCE, amount(minor), BOLD, 9, right=True)
        sheet.rule()
        if sheet.down(20):
            heading()

    sheet.text(LEFT, title, BOLD, 20)
    sheet.down(26)
    sheet.text(LEFT, f"{account.owner_name}, {account.name} {spaced(account.number)}", size=11)
    sheet.down(16)
    period = (date_format(made.since, "j F Y"), date_format(made.until, "j F Y"))
    sheet.text(
        LEFT, _("{since} to {until}, both included").format(since=period[0], until=period[1])
    )
    sheet.down(30)
    heading()
    total(_("Opening balance"), made.since, made.opening_minor)
    for entry in made.lines():
        sheet.text(DATE, date_format(entry.bank_date, "j M Y"), size=9)
        sheet.text(NAME, entry_name(entry), size=9, room=AMOUNT - NAME - 90)
        sheet.text(AMOUNT, amount(entry.amount_minor), size=9, right=True)
        sheet.text(BALANCE, amount(entry.balance_after_minor), size=9, right=True)
        if reference := entry_reference(entry):
            sheet.down(12)
            sheet.text(NAME, reference, size=8, room=AMOUNT - NAME - 20)
        sheet.rule()
        if sheet.down(20):
            heading()
    total(_("Closing balance"), made.until, made.closing_minor)
    return sheet.done()


def entry_name(entry: LedgerEntry) -> str:
    """Return who is at the other end, as a person would say it."""
    other = other_side(entry)
    return other.owner_name if other.customer_id else _("Cash at the counter")


def receipt(side: Side) -> bytes:
    """Return what one of the two customers can show of a transfer, as a PDF."""
    transfer = side.transfer
    sheet = _Sheet(_("Payment receipt"))
    sheet.text(LEFT, side.status, BOLD, 11)
    sheet.down(28)

    def amount(one: Transfer) -> str:
        return money.display(one.amount_minor, one.currency)

    sheet.text(LEFT, f"{amount(transfer)} {side.between}", BOLD, 20, room=RIGHT - LEFT)
    sheet.down(34)
    when = f"{date_format(localtime(transfer.created_at), 'j F Y, H:i:s')} "
    facts = [
        (_("Payment number"), transfer.public_id),
        (_("From"), _party(transfer.from_account, side.sent)),
        (_("To"), _party(transfer.to_account, side.received)),
        (_("Reference"), transfer.reference),
        (_("When"), when + f"{localtime(transfer.created_at):%Z}"),
    ]
    if side.is_reversal:
        original = transfer.reverses
        facts.append((_("Earlier payment"), f"{amount(original)}  {original.public_id}"))
    for back in side.sent_back:
        facts.append((_("Sent back by the bank"), f"{amount(back)}  {back.public_id}"))
    if side.refused:
        facts.append((_("Why"), f"{_('No money left your account.')} {side.reason}"))
    for name, fact in facts:
        if fact:
            sheet.text(LEFT, name, size=10)
            sheet.text(LEFT + 120, fact, BOLD, 10, room=RIGHT - LEFT - 120)
            sheet.rule()
            sheet.down(24)
    return sheet.done()


def _party(account, own: bool) -> str:
    if account.customer_id is None:
        return _("Cash at the counter")
    return f"{account.name if own else account.owner_name} {masked(account.number)}"
