"""Ctrl-C that waits for the step to end."""

import signal
import threading
from types import FrameType, TracebackType


class Interrupt:
    """Inside the ``with`` block the first Ctrl-C only sets ``requested``; a second one interrupts.

    So a training step is never cut in half: the loop looks at ``requested`` between two steps. The
    same holds for SIGTERM, by which a machine asks its programs to stop. Outside the main thread
    Python delivers no signals, and nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
