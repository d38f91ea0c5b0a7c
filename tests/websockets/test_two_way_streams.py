"""Streams that one reads while others write: what does not fit is kept, goes out in order, and keeps nobody."""

import asyncio
import socket
import threading
import time

import pytest

from resilient_client.backends import run_sync
from resilient_client.wire.sockets import Expired
from resilient_client.wire.sockets.blocking import BlockingStream
from resilient_client.wire.sockets.nonblocking import AsyncioStream

MUCH = b"a" * (1 << 23)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def read(theirs, count):
    data = b""
    while len(data) < count:
        data += theirs.recv(1 << 20)
    return data


def reading(theirs, answer):
    """Read much and a little more on a thread, then answer."""
    heard = []

    def run():
        heard.append(read(theirs, len(MUCH) + 4))
        theirs.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, heard


def test_what_is_kept_goes_out_while_a_thread_reads(pair):
    ours, theirs = pair
    stream = BlockingStream(ours)
    stream.put(MUCH)
    stream.put(b"last")
    assert 0 < stream.handed_over < len(MUCH)
    thread, heard = reading(theirs, b"answer")
    assert run_sync(stream.receive(time.monotonic() + 20)) == b"answer"
    thread.join()
    assert heard == [MUCH + b"last"]


def test_a_thread_waits_until_nothing_is_kept(pair):
    ours, theirs = pair
    stream = BlockingStream(ours)
    stream.put(MUCH)
    with pytest.raises(Expired):
        run_sync(stream.drain(time.monotonic() + 0.05))
    thread, heard = reading(theirs, b"")
    stream.put(b"last")
    run_sync(stream.drain(time.monotonic() + 20))
    thread.join()
    assert heard == [MUCH + b"last"]
    assert stream.handed_over == len(MUCH) + 4


def test_a_peer_that_left_is_told_to_whoever_puts_and_its_last_words_to_whoever_reads(pair):
    ours, theirs = pair
    stream = BlockingStream(ours)
    theirs.sendall(b"goodbye")
    theirs.close()
    with pytest.raises(OSError):
        stream.put(b"x")
    assert run_sync(stream.receive(time.monotonic() + 20)) == b"goodbye"
    assert run_sync(stream.receive(time.monotonic() + 20)) == b""


def test_a_thread_that_waits_is_woken_when_another_closes(pair):
    stream = BlockingStream(pair[0])
    ended = []

    def wait():
        try:
            ended.append(run_sync(stream.receive(time.monotonic() + 20)))
        except OSError as problem:
            ended.append(problem)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)  # until it sleeps in the kernel
    stream.abort()
    thread.join(10)
    assert not thread.is_alive()
    assert len(ended) == 1


async def connected(ours):
    stream = AsyncioStream(ours)
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    return stream


def test_what_a_task_puts_overtakes_nothing(pair):
    ours, theirs = pair

    async def main():
        stream = await connected(ours)
        stream.put(MUCH)
        start = theirs.recv(1 << 16)  # there is room again, and the loop does not know yet
        stream.put(b"last")
        rest = asyncio.ensure_future(asyncio.to_thread(read, theirs, len(MUCH) + 4 - len(start)))
        await stream.drain(time.monotonic() + 20)
        assert start + await rest == MUCH + b"last"
        stream.abort()

    asyncio.run(main())


def test_a_drain_that_is_cancelled_or_late_loses_nothing(pair):
    ours, theirs = pair

    async def main():
        stream = await connected(ours)
        stream.put(MUCH)
        with pytest.raises(Expired):
            await stream.drain(time.monotonic() + 0.02)
        task = asyncio.ensure_future(stream.drain(time.monotonic() + 20))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        stream.put(b"last")
        rest = asyncio.ensure_future(asyncio.to_thread(read, theirs, len(MUCH) + 4))
        await stream.drain(time.monotonic() + 20)
        assert await rest == MUCH + b"last"
        stream.abort()

    asyncio.run(main())


def test_a_task_that_only_sends_lets_others_have_their_turn(pair):
    ours, theirs = pair

    async def main():
        stream = await connected(ours)
        turns = []
        asyncio.get_running_loop().call_soon(turns.append, "mine")
        for _ in range(8):
            stream.put(b"x")
            await stream.drain(time.monotonic() + 20)
        assert turns == ["mine"]
        assert theirs.recv(100) == b"x" * 8
        stream.abort()

    asyncio.run(main())
