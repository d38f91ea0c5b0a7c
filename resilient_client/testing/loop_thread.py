"""An event loop in a thread of its own, which other threads call into and always get an answer from."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")

# A loop that does not answer for this long, in seconds, is held up by a step that blocks.
PATIENCE: Final = 4.0

HELD_UP: Final = f"the server did not answer for {PATIENCE:g} s: does a step block?"


class LoopThread:
    """Starts at once. `failed` is called with what the loop's exception handler is told."""

    def __init__(self, name: str, failed: Callable[[str], None]) -> None:
        # Selectors on every platform: only they watch a listening socket, and no policy of the tests' own is asked.
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(lambda _, context: failed(_told(context)))
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and return its result.

        Raises TimeoutError when the loop is held up, RuntimeError when called from the loop's own thread.
        """
        future = self._submit(coroutine)
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            future.cancel()
            raise TimeoutError(HELD_UP) from None

    def stop(self, last: Coroutine[Any, Any, None]) -> None:
        """Run `last` on the loop, then end it and its thread.

        Raises TimeoutError when the loop is held up; it ends, `last` included, as soon as it is let go.
        """
        future = self._submit(last)
        future.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.loop.stop))
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError(HELD_UP)
        future.result()

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a step cannot do this, it runs on the server's own thread: do it from the test")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


def _told(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message', 'the event loop failed')}: {error!r}" if error else str(context.get("message"))
