"""A call whose body goes to a file: what is different about it, for as long as it is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from resilient_client.transfers.file_sink import FileSink

if TYPE_CHECKING:
    from resilient_client.backends import Backend
    from resilient_client.pipeline.call import Call
    from resilient_client.transfers.wanted import Wanted

EXPECTED: Final = frozenset((200,))
"""What has a file in it; a redirect that is not followed and an empty 204 are no success here."""

OURS: Final = frozenset((b"range", b"if-range"))


@contextmanager
def downloading(call: Call, wanted: Wanted, backend: Backend) -> Iterator[None]:
    """Have the body of `call` go to a file while the block runs, and let go of the file when it ends, however it does.

    Raises `ValueError` for a request that asks for a range itself.
    """
    for name, _ in call.request.headers:
        if name.lower() in OURS:
            raise ValueError(
                f"headers[{name.decode('ascii')!r}]: a download asks for what is missing by itself; leave it out, or "
                "use get() or stream() for a part of a file"
            )
    if call.expect is None:
        call.expect = EXPECTED
    sink = call.sink = FileSink(wanted, str(call.request.url), backend)
    try:
        yield
    finally:
        sink.close()
