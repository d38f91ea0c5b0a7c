"""Stand-ins for stock and payments, and things that can go wrong with them.

`python -m examples.checkout.downstreams` serves both on the ports that services.toml names, and does as it is told on
stdin: `stock down`, `payments slow`, `payments up`. One alone, with a line per request:
`resilient-client serve --port 8047 --script examples/checkout/downstreams.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from resilient_client.testing import FaultServer, Script, steps
from resilient_client.testing.script import Move, Pause, Received, Step

ITEMS: Final = {7: 3, 8: 0, 9: 100}
"""How many are left of each item."""

CREDIT: Final = 100_000
"""More than this is declined."""


class Ledger:
    """A step that charges once per idempotency key, as a payments service should."""

    def __init__(self) -> None:
        self.charges: dict[str | None, str] = {}

    def __call__(self, request: Received) -> Iterable[Move]:
        """Charge, and answer which charge it was: the first one again for a key that was seen before."""
        if json.loads(request.body)["amount"] > CREDIT:
            return steps.status(402)(request)
        key = request.headers.get("idempotency-key")
        charge = self.charges.setdefault(key, f"charge-{len(self.charges) + 1}")
        return steps.status(201, json.dumps({"id": charge}))(request)


def late(step: Step, seconds: float) -> Step:
    """Do what `step` does at once, and answer `seconds` later, when the caller may have left."""

    def play(request: Received) -> Iterator[Move]:
        moves = tuple(step(request))
        yield Pause(seconds)
        yield from moves

    return play


def add_routes(script: Script | FaultServer, ledger: Step | None = None) -> None:
    """Script everything that checkout asks for; `resilient-client serve --script` calls this."""
    for item, left in ITEMS.items():
        script.on(f"GET /items/{item}", steps.ok({"id": item, "left": left}))
    script.on("POST /charges", ledger or Ledger())


def obey(server: FaultServer, command: str, ledger: Ledger) -> bool:
    """Put a server into a state; return whether there is such a one."""
    routes = [*(f"GET /items/{item}" for item in ITEMS), "POST /charges"]
    troubles = {"hang": steps.hang(), "broken": steps.status(500), "busy": steps.retry_after(503, 3)}
    if command == "down":
        server.down()
        return True
    if command not in {"up", "slow", *troubles}:
        return False
    server.up()
    add_routes(server, late(ledger, 4) if command == "slow" else ledger)
    if command in troubles:
        for route in routes:
            server.on(route, troubles[command])
    return True


def main() -> None:
    """Serve both until stdin ends, and do as it says."""
    ledger = Ledger()
    with FaultServer(port=8047, strict=False) as stock, FaultServer(port=8048, strict=False) as payments:
        servers = {"stock": stock, "payments": payments}
        for server in servers.values():
            add_routes(server, ledger)
        sys.stdout.write(f"stock is {stock.url}, payments is {payments.url}; say for instance: stock down\n")
        for line in sys.stdin:
            name, _, command = line.strip().partition(" ")
            if name not in servers or not obey(servers[name], command, ledger):
                sys.stdout.write("say stock or payments, then up, down, hang, slow (payments), broken or busy\n")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
