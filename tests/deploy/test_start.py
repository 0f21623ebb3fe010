"""What is refused before anything is compiled or kept, and how a command ends."""

import asyncio
import os
import signal
import socket
import sqlite3

import pytest
from rich.console import Console

from deploy import start
from deploy.addresses import Addresses
from deploy.data_folder import database, locked, open_store
from deploy.http_server import bind
from deploy.refusal import Refusal
from deploy.service import opened
from deploy.settings import ServerSettings, Settings
from deploy.stopping import leave_on_signals, stop_on_signals, until_stopped


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()


@pytest.fixture
def no_compilation(monkeypatch):
    def fail(*_):
        raise AssertionError("it compiles before it refuses")

    monkeypatch.setattr(start, "warm_up", fail)


@pytest.mark.parametrize("option", ["http", "ntrip"])
def test_a_taken_port_is_refused_before_the_compilation(tmp_path, taken, no_compilation, option):
    addresses = Addresses(**{"http": None, "ntrip": None, option: taken})
    with pytest.raises(Refusal, match=f"is taken; stop the program .* with --{option} HOST:PORT"):
        start.prepare(Settings(), tmp_path, addresses, Console())


def test_page_and_caster_at_one_address(tmp_path, no_compilation):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Refusal, match="is taken"):
        start.prepare(Settings(), tmp_path, Addresses(("127.0.0.1", port), ("127.0.0.1", port)), Console())


def test_an_address_of_another_machine():
    with pytest.raises(Refusal, match="choose an address of this machine with --http HOST:PORT"):
        bind("192.0.2.1", 8080, "--http")


def test_a_folder_in_use(tmp_path, no_compilation):
    with locked(tmp_path), pytest.raises(Refusal, match="is in use by another groundswell"):
        start.prepare(Settings(), tmp_path, Addresses(None, None), Console())


def test_a_folder_that_cannot_be(tmp_path, no_compilation):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="choose another with --data DIR"):
        start.prepare(Settings(), tmp_path / "file", Addresses(None, None), Console())


def test_a_file_that_is_no_database(tmp_path):
    database(tmp_path).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(Refusal, match=r"file is not a database.*put a copy of it back"):
        open_store(tmp_path)


async def test_a_database_whose_pages_are_lost(tmp_path):
    open_store(tmp_path).close()
    with sqlite3.connect(database(tmp_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = database(tmp_path).stat().st_size
    with database(tmp_path).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(Refusal, match=r"cannot be used \(.*malformed\)"):
        async with opened(Settings(), tmp_path, Addresses(None, None)):
            pass


async def test_port_0_is_shown_as_the_port_that_was_found(tmp_path):
    async with opened(Settings(), tmp_path, Addresses(("127.0.0.1", 0), ("127.0.0.1", 0))) as service:
        for host, port in (service.addresses.http, service.addresses.ntrip):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            await writer.wait_closed()
        assert service.addresses.page == f"http://127.0.0.1:{service.addresses.http[1]}"


def test_urls_of_addresses():
    addresses = Addresses(("::1", 8080), ("127.0.0.1", 2101))
    assert (addresses.page, addresses.caster) == ("http://[::1]:8080", "ntrip://127.0.0.1:2101")
    assert (Addresses(None, None).page, Addresses(None, None).caster) == ("", "")


def test_options_win_over_the_file(tmp_path):
    settings = Settings(server=ServerSettings(http="127.0.0.1:1", ntrip="127.0.0.1:2", data="kept"))
    addresses, folder = start.resolve(settings, None, "[::1]:3", tmp_path)
    assert (addresses.http, addresses.ntrip, folder) == (("127.0.0.1", 1), ("::1", 3), tmp_path)
    with pytest.raises(Refusal, match=r"http of \[server\]: 'x' is not HOST:PORT"):
        start.resolve(Settings(server=ServerSettings(http="x")), None, None, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_in_good_order(number):
    stop = stop_on_signals()
    os.kill(os.getpid(), number)
    await until_stopped(stop, 60)
    assert stop.is_set()


async def test_a_time_stops_as_well():
    stop = stop_on_signals()
    await until_stopped(stop, 0)
    assert not stop.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_event_loop_ends_the_program_with_0(number):
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        leave_on_signals()
        with pytest.raises(SystemExit) as ending:
            signal.raise_signal(number)
        assert ending.value.code == 0
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
