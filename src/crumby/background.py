"""Work that goes on beside the requests for as long as the application runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

GOODBYE_S: Final = 2.0  # that a task may take to end


async def ended(task: asyncio.Task[Any] | None) -> None:
    """End it, so that it closes what it has open; or leave it: a server that is frozen keeps even a cancelled task."""
    if task and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GOODBYE_S)


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run the work, which has no end of its own, until the context is left."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
