"""Names are looked up on threads of their own, whoever is interrupted while asking."""

import sys
import threading

import pytest

from resilient_client.wire.sockets import resolve
from resilient_client.wire.sockets.resolve import Resolver

ADDRESSES = ["an address"]


def interrupt_at_line(number):
    """Interrupt the asking of a name at the `number`th line that it comes to; leaving a `with` is no such line."""
    seen = set()

    def tracing(frame, event, _):
        if frame.f_code.co_filename != resolve.__file__ or "start" not in frame.f_code.co_name:
            return None
        if event == "line" and frame.f_lineno not in seen:
            seen.add(frame.f_lineno)
            if len(seen) == number:
                raise KeyboardInterrupt
        return tracing

    return tracing


@pytest.mark.parametrize("number", range(1, 16))
def test_a_name_can_be_asked_for_again_after_an_interrupt_at_any_line(number):
    resolver = Resolver(lambda _: ADDRESSES)
    before = sys.gettrace()
    sys.settrace(interrupt_at_line(number))
    try:
        resolver.start("orders", 80)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    assert resolver.start("orders", 80).result(20) == ADDRESSES
    assert resolver.start("orders", 80).result(20) == ADDRESSES


def test_who_asks_for_the_same_name_meanwhile_joins_the_lookup():
    goes_on, asked = threading.Event(), []

    def look_up(name):
        asked.append(name)
        goes_on.wait(20)
        return ADDRESSES

    resolver = Resolver(look_up)
    pending = [resolver.start("orders", 80) for _ in range(5)]
    goes_on.set()
    assert [one.result(20) for one in pending] == [ADDRESSES] * 5
    assert asked == [("orders", 80)]
