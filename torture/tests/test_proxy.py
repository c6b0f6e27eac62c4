"""The proxy between the application and its database."""

from torture.proxy import Command, _Commands


def packet(sequence: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([sequence]) + body


COMMIT = packet(0, b"\x03COMMIT")
SELECT = packet(0, b"\x03SELECT 1")


def begun(*chunks: bytes) -> list[Command]:
    commands = _Commands()
    return [command for chunk in chunks for command in commands.begun_in(chunk)]


def test_a_commit_is_recognised():
    (command,) = begun(COMMIT)
    assert command.is_commit
    assert not begun(SELECT)[0].is_commit
    assert not begun(packet(0, b"\x16COMMIT"))[0].is_commit  # a prepare, not a query


def test_packets_that_go_on_in_the_middle_of_an_exchange_begin_no_command():
    assert begun(packet(1, b"\x03COMMIT")) == []  # the client's answer in a handshake


def test_commands_are_found_wherever_the_stream_is_cut():
    stream = SELECT + COMMIT + packet(1, b"\x03no command") + SELECT
    whole = [command.code for command in begun(stream)]
    assert whole == [3, 3, 3]
    for cut in range(len(stream)):
        assert [command.code for command in begun(stream[:cut], stream[cut:])] == whole
