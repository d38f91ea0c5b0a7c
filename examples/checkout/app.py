"""checkout: takes an order, asks stock what is left, and has payments charge for it.

It stays useful when one of them does not answer. Without stock an order goes through, with one fact less. Without
payments it does not, and the caller is told when to come again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path
from typing import Final, TypedDict

from pydantic import BaseModel, PositiveInt, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.contextvars import bound_contextvars

from examples.checkout.telemetry import Observed, set_up_logging, tracing
from resilient_client import AsyncClient, Failure, FailureKind, Success, deadline, load_policies

SERVICES: Final = Path(__file__).with_name("services.toml")

LONGEST: Final = 10.0
"""Seconds that an order may take, whatever its caller says."""

COME_AGAIN: Final = 5
"""Seconds after which to ask again, when neither payments nor its circuit knows better."""


class Order(BaseModel):
    """What a caller sends."""

    item: int
    amount: PositiveInt


class Item(BaseModel):
    """What stock answers."""

    left: int


class Charge(BaseModel):
    """What payments answers."""

    id: str


class State(TypedDict):
    """What is opened once and lives as long as the application."""

    stock: AsyncClient
    payments: AsyncClient


def create_app(services: Path = SERVICES, environment: Mapping[str, str] | None = None) -> Starlette:
    """Return the application; whom it calls, and how, stands in the file `services`.

    Its clients are made here and not in its event loop: the first one loads what it is made of, which takes a moment.
    """
    policies = load_policies(services, environment=environment)
    clients = State(stock=policies.async_client("stock"), payments=policies.async_client("payments"))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        set_up_logging()
        with tracing("checkout"), policies.watch():
            async with clients["stock"], clients["payments"]:
                yield clients

    routes = [
        Route("/orders/{number:int}", place_order, methods=["PUT"]),
        Route("/health", health),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Observed)], lifespan=lifespan)


async def place_order(request: Request) -> JSONResponse:
    """Place the order of that number. Whoever sends it again has it placed once, and charged once."""
    number = request.path_params["number"]
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError:
        return JSONResponse({"problem": "an order has an item, and an amount above 0"}, 400)
    with deadline(seconds_left(request)), bound_contextvars(order=number):
        left = await left_of(request.state.stock, order.item)
        if left == 0:
            return JSONResponse({"problem": "sold out"}, 409)
        return await charge(request.state.payments, number, order, left)


async def left_of(stock: AsyncClient, item: int) -> int | None:
    """Return how many are left of an item, or None when stock cannot say: an order is worth more than that number."""
    match await stock.get(f"/items/{item}", decode=Item):
        case Success() as success:
            return success.value.left
        case Failure(status=404):
            return 0
        case Failure():  # the circuit is open, or it did not answer: the client has logged which
            return None


async def charge(payments: AsyncClient, number: int, order: Order, left: int | None) -> JSONResponse:
    """Have payments charge for an order and return what to answer. Its number makes repeating that safe."""
    body = {"order": number, "amount": order.amount}
    match await payments.post("/charges", json=body, idempotency_key=f"order-{number}", decode=Charge):
        case Success() as success:
            stock = "unknown" if left is None else left
            return JSONResponse({"order": number, "charge": success.value.id, "stock": stock})
        case Failure(status=402):
            return JSONResponse({"problem": "payment declined"}, 402)
        case Failure(kind=FailureKind.CLIENT_ERROR):  # what we sent was wrong: to send it again will not help
            return JSONResponse({"problem": "payments does not understand us"}, 502)
        case Failure(kind=FailureKind.DEADLINE) as failure:
            return JSONResponse({"problem": "out of time", "charged": charged(failure)}, 504)
        case Failure() as failure:
            seconds = COME_AGAIN if failure.retry_after is None else max(1, ceil(failure.retry_after))
            headers = {"Retry-After": str(seconds)}
            return JSONResponse({"problem": "payments is down", "charged": charged(failure)}, 503, headers)


def charged(failure: Failure) -> str:
    """Return whether money has moved: "no", or "unknown" when payments may have seen the charge."""
    return "unknown" if failure.sent else "no"


def seconds_left(request: Request) -> float:
    """Return how long the caller of `request` will wait for an answer, and never more than `LONGEST`."""
    said = request.headers.get("X-Request-Timeout-Ms", "")
    return min(int(said) / 1000, LONGEST) if said.isdecimal() and len(said) < 10 else LONGEST


async def health(request: Request) -> JSONResponse:
    """Tell the state of each circuit. checkout is well as long as it answers: it lives without either of the two."""
    clients: tuple[AsyncClient, ...] = (request.state.stock, request.state.payments)
    circuits = {client.name: [one.state for one in client.state().circuits.values()] for client in clients}
    return JSONResponse({"circuits": circuits})
