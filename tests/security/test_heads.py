"""Heads, interim answers and what follows a body: how much of them a server may send, in both protocols."""

import asyncio
import itertools
import tracemalloc

import pytest
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame
from raw_http2 import GOOD, head, listening

from resilient_client import AsyncClient, FailureKind, Policy, Timeouts
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.script import Close, Pause, Raw
from resilient_client.wire.heads import MAX_FIELDS, MAX_HEAD, MAX_INTERIM

ONCE = Policy(retry=None, timeouts=Timeouts(total=30, attempt=30))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def raw(*moves):
    return lambda _: iter([move if not isinstance(move, bytes) else Raw(move) for move in moves])


def fetch(world, *moves):
    world.on("/", raw(*moves, Close()))
    return world.client(policy=ONCE).get("/")


def with_fields(count):
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"A: b\r\n" * (count - 1) + b"\r\n"


# HTTP/1.1.


def test_as_many_fields_as_allowed_are_taken(world):
    result = fetch(world, with_fields(MAX_FIELDS))
    assert len(result.headers.get_list("a")) == MAX_FIELDS - 1


@pytest.mark.parametrize("count", [MAX_FIELDS + 1, 20_000])
def test_one_field_more_is_too_large(world, count):
    result = fetch(world, with_fields(count))
    assert (result.kind, result.message) == (
        FailureKind.TOO_LARGE,
        f"the head of the answer has more than {MAX_FIELDS} fields",
    )


@pytest.mark.parametrize(("size", "kind"), [(95_000, None), (110_000, FailureKind.TOO_LARGE)])
@pytest.mark.parametrize("way", ["whole", "in pieces", "many fields"])
def test_a_head_of_100_kib_is_the_limit_however_it_comes(world, size, kind, way):
    fields = b"X: " + b"x" * size if way != "many fields" else b"\r\n".join([b"X: " + b"x" * (size // 100 - 5)] * 100)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + b"\r\n\r\n"
    moves = [whole]
    if way == "in pieces":
        moves = list(itertools.chain(*((whole[at : at + 30_000], Pause(0.01)) for at in range(0, len(whole), 30_000))))
    assert getattr(fetch(world, *moves), "kind", None) is kind


def test_a_head_that_never_ends_is_too_large(world):
    result = fetch(world, b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"x" * 65_000] * 3)
    assert result.kind is FailureKind.TOO_LARGE


def test_a_body_right_behind_a_small_head_does_not_count_as_head(world):
    content = b"x" * 300_000
    assert fetch(world, b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + content).content == content


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_a_few_interim_answers_are_passed_over(world, status):
    interim = b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % status
    assert fetch(world, interim * MAX_INTERIM + OK).text == "ok"


def test_one_interim_answer_more_is_a_breach_of_protocol(world):
    result = fetch(world, b"HTTP/1.1 103 Wait\r\n\r\n" * (MAX_INTERIM + 1) + OK)
    assert (result.kind, "interim answers" in result.message) == (FailureKind.PROTOCOL, True)


def chunked(end):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + end + b"\r\n"


@pytest.mark.parametrize(("count", "kind"), [(MAX_FIELDS, None), (MAX_FIELDS + 1, FailureKind.TOO_LARGE)])
def test_fields_behind_the_body_are_counted(world, count, kind):
    assert getattr(fetch(world, chunked(b"A: b\r\n" * count)), "kind", None) is kind


def test_fields_behind_the_body_are_not_those_of_the_head(world):
    result = fetch(world, chunked(b"Set-Cookie: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n"))
    assert (result.text, "set-cookie" in result.headers) == ("ok", False)


@pytest.mark.parametrize("what", [b"X: " + b"x" * 300_000 + b"\r\n", b"A: b\r\n" * 50_000])
def test_fields_behind_the_body_that_are_too_many_bytes_are_refused(world, what):
    assert fetch(world, chunked(what)).kind in {FailureKind.PROTOCOL, FailureKind.TOO_LARGE}


def test_the_extension_of_a_chunk_is_bounded(world):
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=" + b"x" * 300_000 + b"\r\nok\r\n0\r\n\r\n"
    result = fetch(world, begun[:200_000], Pause(0.01), begun[200_000:])
    assert (result.kind, "chunk's extension" in result.message) == (FailureKind.PROTOCOL, True)


@pytest.mark.parametrize("size", [b"-1", b"0x2", b"2 2", b"+2", b"", b"f" * 21, b"2\0", "²".encode()])
def test_the_size_of_a_chunk_is_a_plain_hexadecimal_number(world, size):
    result = fetch(world, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nok\r\n0\r\n\r\n")
    assert result.kind in {FailureKind.PROTOCOL, FailureKind.TRUNCATED}


# HTTP/2.


def fetch2(answer, settings=None, *, times=1):
    async def go(url):
        options = {"verify": CERTIFICATES.client_context(), "http2": True, "policy": ONCE, "base_url": url}
        async with AsyncClient("h2", **options) as client:
            return [await client.get("/", headers={"X-Unique": str(n) * 100}) for n in range(times)][-1]

    with listening(answer, settings) as server:
        return asyncio.run(go(server.url))


def fields_of(count):
    return GOOD + [("a", "b")] * (count - 1)


def test_http2_takes_as_many_fields():
    assert fetch2(lambda stream: [head(stream, fields_of(MAX_FIELDS), end=True)]).ok


@pytest.mark.parametrize("count", [MAX_FIELDS + 2, 2_000])
def test_http2_takes_no_more_fields(count):
    assert fetch2(lambda stream: [head(stream, fields_of(count), end=True)]).kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize(("size", "kind"), [(95_000, None), (110_000, FailureKind.TOO_LARGE)])
def test_http2_has_the_same_limit_of_bytes(size, kind):
    assert getattr(fetch2(lambda stream: [head(stream, [*GOOD, ("x", "x" * size)], end=True)]), "kind", None) is kind


def test_small_references_to_a_large_field_are_counted_as_what_they_stand_for():
    def bomb(stream):
        block = Encoder().encode([*GOOD, ("x", "x" * 3900)], huffman=False)
        yield HeadersFrame(stream, block + b"\xbe" * 12_000, flags=["END_HEADERS", "END_STREAM"]).serialize()

    result = fetch2(bomb)
    assert (result.kind, f"larger than {MAX_HEAD}" in result.message) == (FailureKind.TOO_LARGE, True)


@pytest.mark.parametrize("piece", [b"", b"\x00" * 16_000])
def test_a_head_in_endless_frames_is_a_breach_of_protocol(piece):
    def flood(stream):
        yield HeadersFrame(stream, Encoder().encode(GOOD)).serialize()
        while True:
            yield ContinuationFrame(stream, piece).serialize()

    assert fetch2(flood).kind is FailureKind.PROTOCOL


@pytest.mark.parametrize(("count", "kind"), [(MAX_INTERIM, None), (MAX_INTERIM + 1, FailureKind.PROTOCOL)])
def test_http2_passes_over_as_many_interim_answers(count, kind):
    def play(stream):
        encoder = Encoder()
        for _ in range(count):
            yield head(stream, [(":status", "103")], encoder=encoder)
        yield head(stream, GOOD, end=True, encoder=encoder)

    assert getattr(fetch2(play), "kind", None) is kind


def test_endless_interim_answers_end():
    def flood(stream):
        while True:
            yield head(stream, [(":status", "100")])

    assert fetch2(flood).kind is FailureKind.PROTOCOL


@pytest.mark.parametrize(("count", "kind"), [(MAX_FIELDS, None), (MAX_FIELDS + 1, FailureKind.TOO_LARGE)])
def test_http2_counts_fields_behind_the_body(count, kind):
    def play(stream):
        encoder = Encoder()
        yield head(stream, GOOD, encoder=encoder)
        yield DataFrame(stream, b"ok").serialize()
        yield head(stream, [("a", "b")] * count, end=True, encoder=encoder)

    assert getattr(fetch2(play), "kind", None) is kind


@pytest.mark.parametrize("content", [b"", b"x"], ids=["nothing", "one byte"])
def test_tiny_frames_cost_a_reader_who_waits_no_more_than_they_carry(content):
    count = 20_000

    async def scene(server):
        options = {"verify": CERTIFICATES.client_context(), "http2": True, "policy": ONCE, "base_url": server.url}
        async with AsyncClient("h2", **options) as client, client.stream("GET", "/") as result:
            read = result.iter_bytes()
            begun = await anext(read)
            tracemalloc.start()
            while not server.pinged.is_set():
                await asyncio.sleep(0.01)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            rest = b"".join([piece async for piece in read])
        return kept, begun + rest

    def play(stream):
        yield head(stream, GOOD) + DataFrame(stream, b"first").serialize()
        tiny = DataFrame(stream, content).serialize()
        for _ in range(count // 1000):
            yield tiny * 1000
        yield PingFrame(opaque_data=b"all here").serialize()
        yield DataFrame(stream, b"last", flags=["END_STREAM"]).serialize()

    with listening(play) as server:
        kept, whole = asyncio.run(scene(server))
    assert whole == b"first" + content * count + b"last"
    assert kept < 768 * 1024


def test_a_server_does_not_make_us_remember_what_was_sent():
    async def scene(url):
        options = {"verify": CERTIFICATES.client_context(), "http2": True, "policy": ONCE, "base_url": url}
        async with AsyncClient("h2", **options) as client:
            for number in range(60):
                assert (await client.get("/", headers={"X-Unique": f"{number:04}" * 250})).ok
            (connections,) = client._wire._transport._pool._shared.values()
            return connections[0].h2.encoder.header_table

    huge = {SettingsFrame.HEADER_TABLE_SIZE: 2**31 - 1}
    with listening(lambda stream: [head(stream, GOOD, end=True)], huge) as server:
        table = asyncio.run(scene(server.url))
    assert table._current_size <= 4096
