"""A daemon thread that repeats one step: what keys and revocations are kept fresh by.

Knows nothing of what the step does; survives its failures, forks, and being asked by many at once.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

_log: Final = logging.getLogger("watchword")
_AFTER_FAILURE_SECONDS: Final = 1.0


class _Run:
    """The life of one thread: its lock, its end, and the future of its present or next step."""

    def __init__(self, *, stopped: bool) -> None:
        self.changed = threading.Condition()
        self.stopped = stopped
        self.wanted = False
        self.step: Future[None] | None = None

    def wake(self, unless: Callable[[], bool]) -> Future[None] | None:
        """Have a step begin now unless one is under way. Returns: its future; None if there is a reason against it."""
        with self.changed:
            if self.step is None:
                # Here, where no step can end in between: asked before, many threads would have one step each.
                if unless():
                    return None
                self.wanted = True
                self.changed.notify()
            return self.promise()

    def promise(self) -> Future[None]:
        """The future of the step under way, or else of the next one; to be called by one thread at a time."""
        if self.step is None:
            self.step = Future()
            # Running futures cannot be cancelled: one impatient waiter must not take the step from the others.
            self.step.set_running_or_notify_cancel()
        return self.step

    def keep_promise(self) -> None:
        """The step has ended, or there will be none."""
        with self.changed:
            step, self.step = self.step, None
        if step is not None:
            step.set_result(None)


class Background:
    """Runs ``step`` in a thread of its own, again after as many seconds as it returned, or at once when asked.

    Starts with the first `ensure` or `request`. The thread holds its owner weakly and ends with it. After a fork the
    child has no thread; the next `ensure` or `request` starts one.
    """

    def __init__(self, name: str, step: Callable[[], float], *, after_fork: Callable[[], None] | None = None) -> None:
        """Prepare it; ``step`` is a bound method, ``after_fork`` is called in the child of a fork.

        Does not start a thread: modules are imported before forks.
        """
        self._name = name
        self._in_child = after_fork
        self._step = weakref.WeakMethod(step)
        self._guard = threading.Lock()
        self._run: _Run | None = None
        self._closed = False
        _all.add(self)

    def ensure(self) -> None:
        """Start the thread if none runs."""
        if self._run is None:
            self.request()

    def request(self) -> Future[None]:
        """Ask for a step now, or join the one under way: many who ask at once share one.

        Returns: a future that is done when that step has ended, well or badly.
        """
        return self.request_unless(lambda: False) or ended()

    def request_unless(self, reason: Callable[[], bool]) -> Future[None] | None:
        """As `request`, but None where no step is under way and there is a ``reason`` not to begin one."""
        with self._guard:
            run = self._run
            if run is None:
                if reason():
                    return None
                run = self._run = _Run(stopped=self._closed)
                # Before the thread starts, or its first step could end unnoticed.
                promise: Future[None] | None = run.promise()
                if not self._closed:
                    threading.Thread(target=_repeat, args=(run, self._step), name=self._name, daemon=True).start()
            else:
                promise = run.wake(reason)
        if run.stopped:
            run.keep_promise()
        return promise

    def join(self) -> Future[None] | None:
        """The future of the step that is under way or was asked for, if any. Does not ask for one."""
        run = self._run
        return None if run is None else run.step

    def stop(self) -> None:
        """End the thread after the step under way. It does not start again."""
        with self._guard:
            self._closed = True
            run = self._run
        if run is not None:
            with run.changed:
                run.stopped = True
                run.changed.notify()

    def after_fork(self) -> None:
        """In the child: forget the thread, which was not copied, and locks that someone may have held."""
        self._guard = threading.Lock()
        self._run = None
        if self._in_child is not None:
            self._in_child()


def ended() -> Future[None]:
    """For what came in the very moment it was found missing. New each time: a shared one could be locked in a fork."""
    step: Future[None] = Future()
    step.set_result(None)
    return step


def _repeat(run: _Run, step_of: weakref.WeakMethod[Callable[[], float]]) -> None:
    while not run.stopped and (step := step_of()) is not None:
        with run.changed:
            run.promise()
            run.wanted = False
        try:
            delay = step()
        except Exception:  # noqa: BLE001 - logged; see below
            # The thread must outlive any fault: without it the view grows stale and the keys grow old.
            _log.exception("background step failed")
            delay = _AFTER_FAILURE_SECONDS
        del step
        run.keep_promise()
        with run.changed:
            run.changed.wait_for(lambda: run.wanted or run.stopped, delay)
    run.keep_promise()


_all: weakref.WeakSet[Background] = weakref.WeakSet()


def _after_fork() -> None:
    for background in list(_all):
        background.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
