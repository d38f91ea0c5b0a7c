"""Fork in the middle of a call, and have the child make one of its own with the same client."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from resilient_client import AsyncClient


def in_child(work: Callable[[], Any]) -> bool:
    """Fork; return whether `work` in the child gave a success. Threads of the parent are not in the child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of a fork with threads
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forking(caller: Any, method: str, url: str, **options: Any) -> Any:
    """Fork while the call is on its way; its result, once the child has made one of its own."""
    good = f"{caller.world.url}/text"
    if not isinstance(caller.client, AsyncClient):
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(caller.request(method, url, **options)))
        thread.start()
        while not caller.world.journal.requests:
            time.sleep(0.001)
        child_is_fine = in_child(lambda: caller.client.get(good))
        thread.join()
        assert child_is_fine
        return results[0]

    async def scene() -> Any:
        task = asyncio.create_task(caller.client.request(method, url, **options))
        while not caller.world.journal.requests:
            await asyncio.sleep(0.001)
        child_is_fine = in_child(lambda: asyncio.run(caller.client.get(good)))
        result = await task
        assert child_is_fine
        return result

    return caller.world.finish(scene())
