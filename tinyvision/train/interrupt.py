"""Ctrl-C that waits for the step to end."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers


class Interrupt:
    """Inside the ``with`` block the first Ctrl-C only sets ``requested``; a second one interrupts.

    So a training step is never cut in half: the loop looks at ``requested`` between two steps. The
    same holds for SIGTERM, by which a machine asks its programs to stop. A signal that the program
    was told to ignore (``nohup``, ``&`` in a script) stays ignored. Outside the main thread Python
    delivers no signals, and nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                # None: a handler that was not set from Python, and cannot be set again from here
                if before is not None and before is not signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
