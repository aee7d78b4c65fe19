"""Worker: slow work off the kernel's main thread, newest request first, delivered on the kernel's event loop.

One daemon thread serves one model.  A new request replaces the one that waits and asks the one that runs to stop (its
progress callback raises `Cancelled`).  Results enter the model on the event loop that was running when the work was
submitted; in a plain script, where no loop runs, they wait until `wait` is called.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic, perf_counter
from typing import Any

from workbench.methods.progress import Cancelled, Progress

# yields results, each better than the one before, and whether more comes
Job = Callable[[Progress], Iterator[tuple[Any, bool]]]
SWITCH = 0.0005  # seconds
EVERY, QUIET = (
    0.05,
    0.25,
)  # seconds between reports, and before the first: quick work is over before it is worth a word


class Worker:
    """Runs the newest job in a thread.

    Parameters
    ----------
    deliver : called with (seq, result or None, error or None, whether more is coming) on the loop.
    report : called with (seq, fraction, message, seconds left or None) on the loop, at most 20 times a second, and not
        of quick work.
    """

    def __init__(
        self,
        deliver: Callable[[int, Any, BaseException | None, bool], None],
        report: Callable[[int, float, str, float | None], None],
    ) -> None:
        self._deliver, self._report = deliver, report
        self._condition = threading.Condition()
        self._waiting: tuple[int, Job, asyncio.AbstractEventLoop | None] | None = None
        self._running: int | None = None
        self._newest = 0
        self._thread: threading.Thread | None = None
        self._done: deque[tuple[int, Any, BaseException | None, bool]] = deque()

    def submit(self, seq: int, job: Job) -> None:
        """Run `job`; older jobs are dropped."""
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        with self._condition:
            self._newest = seq
            self._waiting = (seq, job, loop)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="workbench", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def cancel(self) -> bool:
        """Drop what waits and stop what runs; whether there was anything."""
        with self._condition:
            busy = self._waiting is not None or self._running is not None
            self._waiting = None
            self._newest += 1
            self._condition.notify_all()
            return busy

    def wait(self, timeout: float) -> None:
        """Block until nothing waits or runs, then deliver what arrived without a loop.

        Raises
        ------
        TimeoutError
            Where the work is not done after `timeout` seconds.
        """
        end = monotonic() + timeout
        with self._condition:
            while self._waiting is not None or self._running is not None:
                left = end - monotonic()
                if left <= 0:
                    raise TimeoutError(f"still computing after {timeout:g} s")
                self._condition.wait(min(left, 0.2))
        self._drain()

    def _serve(self) -> None:
        # While this thread computes, each message of a view passes through several others (socket, event loop, output),
        # and every hand-over between threads waits for the interpreter's switch interval: 5 ms by default, which made a
        # slider lag by tens.  It is lowered for the process, and stays so.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH))
        while True:
            with self._condition:
                if self._waiting is None and not self._condition.wait_for(
                    lambda: self._waiting is not None, timeout=30
                ):
                    self._thread = None  # idle: the next submit starts a new thread
                    return
                assert self._waiting is not None
                seq, job, loop = self._waiting
                self._waiting, self._running = None, seq
            try:
                for result, more in job(self._progress(seq, loop)):
                    self._hand_over((seq, result, None, more), loop)
            except Cancelled:
                pass
            except Exception as error:  # noqa: BLE001  # shown in the view as a failed state, never lost in a thread
                self._hand_over((seq, None, error, False), loop)
            with self._condition:
                self._running = None
                self._condition.notify_all()

    def _hand_over(
        self, item: tuple[int, Any, BaseException | None, bool], loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self._done.append(item)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        while self._done:
            self._deliver(*self._done.popleft())

    def _progress(self, seq: int, loop: asyncio.AbstractEventLoop | None) -> Progress:
        start = perf_counter()
        last = start

        def progress(fraction: float, message: str) -> None:
            nonlocal last
            if seq != self._newest:
                raise Cancelled
            now = perf_counter()
            if loop is None or loop.is_closed() or now - last < EVERY or now - start < QUIET:
                return
            last = now
            eta = (now - start) * (1 - fraction) / fraction if fraction > 0.02 and now - start > 0.3 else None
            loop.call_soon_threadsafe(self._report, seq, fraction, message, eta)

        return progress
