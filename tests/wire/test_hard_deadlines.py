"""`total=0.5` ends at half a second whatever the network does, in both facades, and leaves nothing behind."""

import asyncio
import contextlib
import gc
import os
import threading
import time

import pytest

from resilient_client import AsyncClient, Bulkhead, Client, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer, sockets
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.steps import drip_body, drip_head, endless_body, hang
from resilient_client.wire.sockets import resolve

HALF = Policy(timeouts=Timeouts(total=0.5), retry=Retry(max_attempts=3), bulkhead=Bulkhead(max_concurrent=2))
LATEST = 3.0
"""Half a second and what a busy machine may add, yet less than what is waited for: four seconds, or no end."""


def blocking(url, **options):
    body = options.pop("content", None)
    with Client("slow", policy=HALF, **options) as client:
        started = time.monotonic()
        result = client.request("PUT" if body else "GET", url, content=body and body())
        took = time.monotonic() - started
        assert client.state().permits_in_use == 0
    return result, took


def asynchronous(url, **options):
    body = options.pop("content", None)

    async def call():
        async with AsyncClient("slow", policy=HALF, **options) as client:
            started = time.monotonic()
            result = await client.request("PUT" if body else "GET", url, content=body and body())
            took = time.monotonic() - started
            assert client.state().permits_in_use == 0
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return result, took

    return asyncio.run(call())


def open_sockets():
    gc.collect()
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


@contextlib.contextmanager
def nothing_left_behind():
    threads, before = set(threading.enumerate()), open_sockets()
    yield
    left = [
        one for one in threading.enumerate() if one not in threads and not one.name.startswith("resilient-client-dns")
    ]
    assert left == []
    for _ in range(100):
        if open_sockets() <= before:
            return
        time.sleep(0.01)
    assert open_sockets() <= before


def check(call, url, **options):
    result, took = call(url, **options)
    assert result.kind is FailureKind.DEADLINE, result.explain()
    assert 0.49 <= took < LATEST


both = pytest.mark.parametrize("call", [blocking, asynchronous])


@both
@pytest.mark.parametrize("step", [drip_body(4), drip_head(4), hang(), endless_body(piece=b"x", every=0.05)])
def test_slow_answers(call, step):
    with nothing_left_behind(), FaultServer(strict=False) as server:
        server.on("/", step)
        check(call, f"{server.url}/")


@both
def test_a_stalled_tls_handshake(call):
    with nothing_left_behind(), sockets.stalled_tls() as listening:
        check(call, listening.url, verify=CERTIFICATES.client_context())


@both
def test_connecting_to_a_full_backlog(call):
    with nothing_left_behind(), sockets.full_backlog() as listening:
        check(call, listening.url)


@both
def test_an_upload_that_nobody_reads(call):
    with nothing_left_behind(), sockets.never_reads() as listening:
        check(call, listening.url, content=lambda: b"x" * 50_000_000)


@both
def test_an_upload_that_never_ends(call):
    def endless():
        while True:
            yield b"x" * 1000

    with nothing_left_behind(), sockets.black_hole() as listening:
        check(call, listening.url, content=endless)


def test_an_asynchronous_upload_that_stops_in_the_middle():
    async def stuck():
        yield b"x"
        await asyncio.sleep(60)

    with nothing_left_behind(), sockets.black_hole() as listening:
        check(asynchronous, listening.url, content=stuck)


@both
def test_a_hung_resolver_is_left_to_itself(call, monkeypatch):
    release = threading.Event()

    def hung(name):
        release.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(resolve.resolver, "_look_up", hung)
    try:
        check(call, "http://hung.example/")
    finally:
        release.set()


def test_one_hung_lookup_serves_every_caller_of_that_name(monkeypatch):
    release, lookups = threading.Event(), []

    def slow(name):
        lookups.append(name)
        release.wait(30)
        return [resolve.Address(2, ("127.0.0.1", name[1]))]

    monkeypatch.setattr(resolve.resolver, "_look_up", slow)
    waiting = [resolve.start("slow.example", 80) for _ in range(20)]
    release.set()
    assert {tuple(one.result(10)) for one in waiting} == {(resolve.Address(2, ("127.0.0.1", 80)),)}
    assert len(lookups) == 1


def test_addresses_share_the_time_to_connect():
    """One address that swallows packets must not take the time of the next."""
    import socket

    from resilient_client.exchange import Limits, Url
    from resilient_client.wire.connect import Connector
    from resilient_client.wire.sockets import Address, now
    from resilient_client.wire.sockets.blocking import BlockingNetwork
    from resilient_client.wire.tls_settings import TlsSettings

    with nothing_left_behind(), sockets.full_backlog() as swallowing, FaultServer() as server:

        class TwoAddresses(BlockingNetwork):
            async def resolve(self, host, port, until):
                return [Address(socket.AF_INET, ("127.0.0.1", one)) for one in (swallowing.port, server.port)]

        from resilient_client.backends import run_sync

        limits = Limits(now, connect=1.6, attempt_until=now() + 1.6)
        stream = run_sync(Connector(TwoAddresses(), TlsSettings()).open(Url("http", "two", 80, ""), limits))
        assert stream.info("server_addr")[1] == server.port
        stream.abort()
