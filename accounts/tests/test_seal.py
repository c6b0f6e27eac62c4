"""manage.py seal fixes what has happened, in the database and in a file outside."""

import json
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import sealing
from accounts.management.commands import seal as command
from audit import seals
from audit.models import AppendOnly, Seal, SealedHead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "seals.jsonl"


def lines(file) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_seal_is_over_every_chain_that_has_grown(reena, rahul, anita, file):
    call_command("seal", to=file)
    reena.send(rahul, "1.00")
    call_command("seal", to=file)

    first, second = Seal.objects.order_by("number")
    assert (first.count, second.count) == (4, 2)  # with the bank's cash account
    assert second.previous == seals.digest(first)
    assert set(second.heads.values_list("account_id", "sequence")) == {
        (reena.account.pk, 3),
        (rahul.account.pk, 3),
    }
    assert lines(file) == [seals.as_dict(first), seals.as_dict(second)]


def test_when_nothing_has_happened_nothing_is_sealed(reena, file, capsys):
    call_command("seal", to=file)
    call_command("seal", to=file)
    assert Seal.objects.count() == len(lines(file)) == 1
    assert "Nothing has happened since the last seal." in capsys.readouterr().out


def test_so_many_accounts_that_one_seal_would_be_too_large_get_several(
    reena, rahul, anita, file, monkeypatch
):
    monkeypatch.setattr(seals, "MAX_HEADS", 2)
    call_command("seal", to=file)
    assert [one["count"] for one in lines(file)] == [2, 2]
    call_command("verify_audit", seals=file)


def test_what_was_sealed_and_not_exported_is_exported_by_the_next_run(reena, rahul, file):
    assert len(list(sealing.seal_all())) == 1  # and the process died before it exported
    reena.send(rahul, "1.00")
    call_command("seal", to=file)
    assert [one["number"] for one in lines(file)] == [1, 2]


def test_where_nothing_can_be_exported_nothing_is_sealed(reena, file):
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("seal", to=file / "away")
    assert not Seal.objects.exists()


def test_a_file_of_another_history_is_refused(reena, rahul, file):
    call_command("seal", to=file)
    told = lines(file)[0]
    for other in (told | {"root": "ab" * 32}, told | {"number": 7}):
        file.write_text(json.dumps(other) + "\n")
        reena.send(rahul, "1.00")
        with pytest.raises(CommandError, match="is not the one in the database"):
            call_command("seal", to=file)
    file.write_text("nonsense\n")
    with pytest.raises(CommandError, match="a line that is no seal"):
        call_command("seal", to=file)
    assert Seal.objects.count() == 1


def test_a_line_that_a_crash_left_unfinished_is_written_again(reena, rahul, file):
    call_command("seal", to=file)
    reena.send(rahul, "1.00")
    call_command("seal", to=file)
    whole = file.read_bytes()
    second = whole.splitlines(keepends=True)[1]
    for written in (1, 30, len(second) - 1):
        file.write_bytes(whole[: written - len(second)])
        call_command("seal", to=file)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("text", ["root:x:0:0", '{"name": 1', "x\n" * 9_999 + "y", "y" * 9_999])
def test_a_file_of_something_else_is_left_as_it_is(reena, file, text):
    file.write_text(text)
    with pytest.raises(CommandError, match="a line that is no seal"):
        call_command("seal", to=file)
    assert file.read_text() == text


def test_what_is_exported_while_the_file_is_read_is_not_in_it(reena, rahul, file):
    call_command("seal", to=file)
    found = seals.exported(file)
    reena.send(rahul, "1.00")
    call_command("seal", to=file)
    assert [one["number"] for one in found] == [1]


def test_without_a_file_there_is_no_seal(reena, file, settings):
    with pytest.raises(CommandError, match="AUDIT_SEALS_FILE"):
        call_command("seal")
    settings.AUDIT_SEALS_FILE = str(file)
    call_command("seal")
    assert len(lines(file)) == 1


def test_it_goes_on_with_pauses_until_it_is_stopped(reena, rahul, file, monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        reena.send(rahul, "1.00")

    monkeypatch.setattr(command.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        call_command("seal", to=file, every=60)
    assert (pauses, len(lines(file))) == ([60, 60, 60], 3)
    with pytest.raises(CommandError, match="1 or more"):
        call_command("seal", to=file, every=0)


@pytest.mark.row_locks
def test_two_who_seal_at_the_same_moment_make_one_history(reena, rahul, file):
    start = threading.Barrier(2)

    def seal():
        start.wait()
        call_command("seal", to=file)
        connection.close()

    threads = [threading.Thread(target=seal) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines(file)[-1]["number"] == len(lines(file)) == Seal.objects.count()
    call_command("verify_audit", seals=file)


def test_seals_are_never_changed(reena, file):
    call_command("seal", to=file)
    for model in (Seal, SealedHead):
        with pytest.raises(AppendOnly):
            model.objects.update(pk=9)
        with pytest.raises(AppendOnly):
            model.objects.first().save()
