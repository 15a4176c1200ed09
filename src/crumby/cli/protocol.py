"""HTTP as uvicorn speaks it, with a better goodbye."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER: Final = 0.5  # seconds; a request that was on its way when the stop came is here by then


class Protocol(HttpToolsProtocol):
    """A connection that the stop finds idle may have its next request on the way, and closing would cut it.

    It stays for a moment; what comes in is answered with `Connection: close`.
    """

    leaving = False

    def shutdown(self) -> None:
        self.leaving = True
        if self._idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._idle():
            self.transport.close()
