"""Content codings: undone piece by piece whatever way they are cut, bounded, and never a success when they lie."""

import gzip
import os
import subprocess
import sys
import textwrap
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client import FailureKind, Policy
from resilient_client.exchange import WireError
from resilient_client.headers import Headers
from resilient_client.testing import steps
from resilient_client.wire import decoders
from resilient_client.wire.coding import PIECE, Unpacker

MIB = 1024 * 1024

needs_brotli = pytest.mark.skipif(decoders.brotli() is None, reason="the extra brotli is not installed")
needs_zstd = pytest.mark.skipif(decoders.zstd() is None, reason="the extra zstd is not installed")
EVERY = [
    "gzip",
    "deflate",
    pytest.param("br", marks=needs_brotli),
    pytest.param("zstd", marks=needs_zstd),
]
CODERS = {
    "gzip": lambda data: gzip.compress(data, 6),
    "deflate": zlib.compress,
    "br": lambda data: decoders.brotli().compress(data, quality=4),
    "zstd": lambda data: decoders.zstd().compress(data),
}
RANDOM = os.urandom(300_000)
WHOLE = b"hello " * 1000

every = pytest.mark.parametrize("coding", EVERY)


def coded(content, coding):
    return steps.status(200, content, headers=[("Content-Encoding", coding)])


def unpacked(coding, pieces, cap=MIB):
    unpacker = Unpacker(Headers([("Content-Encoding", coding)]), cap)
    found = [part for piece in pieces for part in unpacker.pieces(piece)]
    unpacker.end()
    return found


def in_pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@every
def test_it_is_asked_for_and_undone(world, coding):
    world.on("/", coded(CODERS[coding](WHOLE), coding))
    assert world.client().get("/").content == WHOLE
    assert coding in world.journal.requests[0].headers["accept-encoding"].split(", ")


@every
def test_it_is_undone_in_a_stream(world, coding):
    world.on("/", coded(CODERS[coding](WHOLE), coding))
    assert b"".join(world.client().stream("/").items) == WHOLE


@pytest.mark.parametrize("size", [1, 2, 3, 1000, PIECE - 1, PIECE, PIECE + 1, 98_272, 131_072, 300_000])
@every
def test_bodies_of_every_size_come_out_whole(coding, size):
    for content in (RANDOM[:size], bytes(size)):
        for cut in (7, 4096, 10**9) if size <= 1000 else (4096, 10**9):
            assert b"".join(unpacked(coding, in_pieces(CODERS[coding](content), cut))) == content


@every
def test_a_body_of_nothing_at_all_is_empty(coding):
    assert unpacked(coding, []) == []
    assert b"".join(unpacked(coding, [CODERS[coding](b"")])) == b""


@every
def test_pieces_stay_small_whatever_goes_in(coding):
    found = unpacked(coding, [CODERS[coding](bytes(20 * MIB))], cap=20 * MIB)
    assert sum(map(len, found)) == 20 * MIB
    assert max(map(len, found)) <= 2 * PIECE


@pytest.mark.parametrize("cut", [1, 10, "half", -1])
@every
def test_a_stream_that_is_cut_off_is_told(world, coding, cut):
    whole = CODERS[coding](RANDOM[:5000])
    world.on("/", coded(whole[: len(whole) // 2 if cut == "half" else cut], coding))
    result = world.client(policy=Policy(retry=None)).get("/")
    assert result.kind is FailureKind.DECODE, result


@pytest.mark.parametrize("behind", [b"x", b"\0", "again"])
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "in a piece of its own"])
@every
def test_what_stands_behind_its_end_is_told(coding, behind, apart):
    whole = CODERS[coding](WHOLE)
    more = whole if behind == "again" else behind
    with pytest.raises(WireError) as failed:
        unpacked(coding, [whole, more] if apart else [whole + more])
    assert failed.value.kind is FailureKind.DECODE


@every
def test_a_body_in_another_coding_is_told(world, coding):
    world.on("/", steps.wrong_encoding(coding))
    assert world.client(policy=Policy(retry=None)).get("/").kind is FailureKind.DECODE


@every
@given(data=st.binary(max_size=200), cut=st.integers(1, 50))
def test_no_bytes_make_it_raise_anything_else(coding, data, cut):
    try:
        unpacked(coding, in_pieces(data, cut))
    except WireError as failed:
        assert failed.kind is FailureKind.DECODE


@every
def test_the_cap_holds_to_the_byte(coding):
    body = CODERS[coding](bytes(1000))
    assert len(b"".join(unpacked(coding, [body], cap=1000))) == 1000
    with pytest.raises(WireError) as failed:
        unpacked(coding, [body], cap=999)
    assert failed.value.kind is FailureKind.TOO_LARGE


@needs_zstd
def test_a_window_of_zstd_that_no_server_may_use_is_refused():
    library = decoders.zstd()
    window = library.CompressionParameter.window_log
    content = os.urandom(9 * MIB)
    assert unpacked("zstd", [library.compress(content[:MIB], options={window: 23})], cap=MIB)
    with pytest.raises(WireError, match="memory") as failed:
        unpacked("zstd", [library.compress(content, options={window: 27})], cap=20 * MIB)
    assert failed.value.kind is FailureKind.DECODE


@pytest.mark.parametrize("codings", ["gzip, deflate, gzip", "GZIP , x-gzip", "identity, gzip"])
def test_codings_on_top_of_each_other_are_undone_from_the_last(codings):
    body = WHOLE
    for coding in codings.lower().replace("x-gzip", "gzip").split(","):
        body = CODERS.get(coding.strip(), bytes)(body)
    assert b"".join(unpacked(codings, in_pieces(body, 100))) == WHOLE


@pytest.mark.parametrize("coding", ["gzip, gzip, gzip, gzip", ", ".join(["gzip"] * 5000), "compress", "br;q=1", "\xff"])
def test_what_nobody_asked_for_is_told(world, coding):
    world.on("/", coded(b"x", coding))
    result = world.client(policy=Policy(retry=None)).get("/")
    assert result.kind is FailureKind.DECODE
    assert len(result.message) < 200


@pytest.mark.parametrize(("coding", "extra"), [("br", "brotli"), ("zstd", "zstd")])
def test_a_coding_without_its_library_is_not_asked_for_and_the_extra_is_named(world, coding, extra, monkeypatch):
    monkeypatch.setitem(decoders.EXTRAS, coding, (extra, lambda: None))
    assert coding not in decoders.accepted.__wrapped__().decode()
    world.on("/", coded(b"x", coding))
    result = world.client(policy=Policy(retry=None)).get("/")
    assert (result.kind, f"install resilient-client[{extra}]" in result.message) == (FailureKind.DECODE, True)


def test_a_library_that_cannot_stop_at_a_limit_counts_as_none(monkeypatch):
    class Old:
        class Decompressor:
            def process(self, data):
                raise AssertionError

    monkeypatch.setattr(decoders, "import_module", lambda name: Old)
    assert decoders.brotli.__wrapped__() is None


# Real bombs, in a process of their own: the libraries of br and zstd allocate where Python does not see it.

READER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from resilient_client import AsyncClient, Client, Policy

    def most():  # of this program: what getrusage tells begins with the parent's
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    url, coding, facade, way = sys.argv[1:]
    policy = Policy(retry=None, breaker=None, max_body=8 * 2**20)

    async def read_async(client, path):
        if way == "plain":
            return await client.get(path)
        async with client.stream("GET", path) as result:
            try:
                async for _ in result.iter_bytes():
                    pass
            except Exception as problem:
                return problem.failure
        return result

    def read(client, path):
        if way == "plain":
            return client.get(path)
        with client.stream("GET", path) as result:
            try:
                for _ in result.iter_bytes():
                    pass
            except Exception as problem:
                return problem.failure
        return result

    async def main():
        async with AsyncClient("a", base_url=url, policy=policy) as client:
            return await read_async(client, "/small"), most(), await read_async(client, "/bomb")

    if facade == "async":
        small, before, result = asyncio.run(main())
    else:
        with Client("a", base_url=url, policy=policy) as client:
            small, before, result = read(client, "/small"), most(), read(client, "/bomb")
    assert small.ok
    print(result.kind, most() - before)
    """
)

CAP = 8 * MIB
WINDOWS = {"gzip": 0, "deflate": 0, "br": 24 * MIB, "zstd": 8 * MIB}
"""What a coding must be able to look back on: it is part of how it works, and freed with its decoder.

Brotli's is 16 MiB, and made anew as it grows: what the half of it held may be there for a moment as well.
"""

BOMB = 256 * MIB


@pytest.fixture(scope="module")
def bombs():
    """A quarter of a gigabyte of nothing in each coding, made once, in steps."""
    made = {}
    zeros = bytes(16 * MIB)

    def stream(compress, flush):
        return b"".join([*(compress(zeros) for _ in range(BOMB // len(zeros))), flush()])

    for coding, wbits in (("gzip", 31), ("deflate", 15)):
        coder = zlib.compressobj(1, wbits=wbits)
        made[coding] = stream(coder.compress, coder.flush)
    if decoders.brotli() is not None:
        coder = decoders.brotli().Compressor(quality=1, lgwin=24)
        made["br"] = stream(coder.process, coder.finish)
    if decoders.zstd() is not None:
        coder = decoders.zstd().ZstdCompressor(level=1)
        made["zstd"] = stream(coder.compress, coder.flush)
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the resident pages")
@pytest.mark.parametrize(("facade", "way"), [("blocking", "plain"), ("async", "stream")])
@every
def test_a_bomb_costs_the_cap_and_the_window_and_little_more(fault_server, bombs, coding, facade, way):
    fault_server.on("/small", coded(CODERS[coding](WHOLE), coding))
    fault_server.on("/bomb", coded(bombs[coding], coding))
    reader = [sys.executable, "-c", READER, fault_server.url, coding, facade, way]
    child = subprocess.run(reader, check=True, capture_output=True, text=True, timeout=100, env={**os.environ})
    kind, cost = child.stdout.split()
    kept = CAP + CAP // 8 if way == "plain" else 0  # a buffer is an eighth ahead of itself
    assert kind == "too_large"
    assert int(cost) < kept + WINDOWS[coding] + MIB, f"{int(cost) / MIB:.1f} MiB"
