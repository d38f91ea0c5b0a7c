"""What type checkers make of results. Checked by mypy and pyright, never run; `assert_type` fails the check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from resilient_client import (
    AsyncClient,
    AsyncStream,
    AsyncWebSocket,
    Client,
    Downloaded,
    Failure,
    FailureKind,
    Result,
    ServerSentEvent,
    Stream,
    Success,
    WebSocket,
)


@dataclass
class Order:
    id: int


def truth_narrows(client: Client) -> None:
    result = client.get("/orders/1")
    assert_type(result, Success[None] | Failure)
    if result:
        assert_type(result, Success[None])
    else:
        assert_type(result, Failure)


def comparing_ok_narrows(client: Client) -> None:
    result = client.get("/orders/1")
    if result.ok is True:
        assert_type(result, Success[None])
    else:
        assert_type(result, Failure)


def match_narrows(client: Client) -> str:
    result = client.get("/orders/1", params={"a": "1"}, expect={200, 404})
    match result:
        case Success(status=404):
            return "none"
        case Success():
            assert_type(result, Success[None])
            return result.text
        case Failure(kind=FailureKind.CIRCUIT_OPEN):
            return "later"
        case Failure() as failure:
            assert_type(failure, Failure)
            return failure.explain()


def decode_gives_the_type(client: Client) -> None:
    assert_type(client.get("/orders/1", decode=Order).unwrap().value, Order)
    assert_type(client.get("/orders", decode=list[Order]).unwrap().value, list[Order])
    assert_type(client.get("/orders/1").unwrap().decode(Order), Order)


async def the_same_when_awaited(client: AsyncClient) -> None:
    result = await client.post("/orders", json=Order(1), idempotency_key=True, decode=Order)
    assert_type(result, Success[Order] | Failure)
    if result:
        assert_type(result.value, Order)


def a_stream_is_read_piece_by_piece(client: Client) -> None:
    with client.stream("GET", "/orders", expect={200}) as result:
        assert_type(result, Stream | Failure)
        if result:
            assert_type(list(result.iter_bytes()), list[bytes])
        else:
            assert_type(result, Failure)
        assert_type(next(result.unwrap().iter_events()), ServerSentEvent)


async def the_same_for_an_asynchronous_stream(client: AsyncClient) -> None:
    async with client.stream("GET", "/orders") as result:
        assert_type(result, AsyncStream | Failure)
        match result:
            case AsyncStream():
                assert_type([line async for line in result.iter_lines()], list[str])
            case Failure():
                assert_type(result, Failure)


def results_can_be_passed_on(result: Result[Order]) -> Order | None:
    return result.value if result else None


def a_websocket_narrows(client: Client) -> None:
    with client.websocket("/prices", subprotocols=["v1"], ping_every=None) as result:
        assert_type(result, WebSocket | Failure)
        if result:
            assert_type(result.receive(timeout=1), str | bytes)
            assert_type(result.receive_json(decode=Order), Order)
            for message in result:
                assert_type(message, str | bytes)
        assert_type(result.unwrap(), WebSocket)


async def an_asynchronous_websocket_narrows(client: AsyncClient) -> None:
    async with client.websocket("/prices") as result:
        assert_type(result, AsyncWebSocket | Failure)
        if result:
            assert_type(await result.receive(), str | bytes)
            assert_type(await result.receive_json(decode=Order), Order)
            async for message in result:
                assert_type(message, str | bytes)


def a_download_gives_a_file(client: Client) -> None:
    result = client.download("/report", "report.csv")
    assert_type(result, Success[Downloaded] | Failure)
    if result:
        assert_type(result.value, Downloaded)


async def a_download_gives_a_file_to_a_task(client: AsyncClient) -> None:
    assert_type(await client.download("/report", "report.csv"), Success[Downloaded] | Failure)
