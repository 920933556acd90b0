"""The thread behind keys and revocations: one step at a time, shared by all who wait, whatever happens to it."""

import gc
import os
import threading
import weakref

import pytest
from watchword.verify.background import Background

SOON = 60


class Worker:
    """Counts its steps; each waits at the gate, which stands open at first."""

    def __init__(self, delay=1000.0):
        self.steps = 0
        self.delay = delay
        self.began = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.fault = None
        self.background = Background("test", self.step)

    def step(self):
        self.steps += 1
        self.began.release()
        assert self.gate.wait(SOON)
        if self.fault is not None:
            raise self.fault
        return self.delay


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.gate.set()
    worker.background.stop()


def test_nothing_runs_before_it_is_asked_for(worker):
    assert worker.background.join() is None
    assert worker.steps == 0


def test_a_request_is_done_when_a_step_has_ended(worker):
    worker.background.request().result(SOON)
    assert worker.steps == 1
    worker.background.request().result(SOON)
    assert worker.steps == 2


def test_many_who_ask_during_a_step_share_it(worker):
    worker.gate.clear()
    first = worker.background.request()
    assert worker.began.acquire(timeout=SOON)
    others = [worker.background.request() for _ in range(1000)]
    assert all(other is first for other in others)
    assert worker.background.join() is first
    worker.gate.set()
    first.result(SOON)
    worker.background.request().result(SOON)
    assert worker.steps == 2


def test_one_who_gives_up_takes_nothing_from_the_others(worker):
    worker.gate.clear()
    promise = worker.background.request()
    assert not promise.cancel()
    worker.gate.set()
    promise.result(SOON)


def test_steps_repeat_after_the_delay_they_return():
    worker = Worker(delay=0.001)
    worker.background.ensure()
    for _ in range(5):
        assert worker.began.acquire(timeout=SOON)
    worker.background.stop()


def test_a_step_that_fails_is_not_the_end(worker, caplog):
    worker.fault = RuntimeError("boom")
    worker.background.request().result(SOON)
    assert "background step failed" in caplog.text
    worker.fault = None
    worker.background.request().result(SOON)
    assert worker.steps == 2


def test_after_the_end_nobody_waits(worker):
    worker.gate.clear()
    promise = worker.background.request()
    assert worker.began.acquire(timeout=SOON)
    worker.background.stop()
    worker.gate.set()
    promise.result(SOON)
    worker.background.request().result(SOON)
    assert worker.steps == 1


def test_what_was_stopped_before_it_began_never_begins(worker):
    worker.background.stop()
    worker.background.request().result(SOON)
    assert worker.steps == 0


def test_the_thread_does_not_keep_its_owner_alive():
    worker = Worker(delay=0.001)
    worker.background.request().result(SOON)
    threads = [thread for thread in threading.enumerate() if thread.name == "test"]
    gone = weakref.ref(worker)
    del worker
    for thread in threads:
        gc.collect()
        thread.join(SOON)
        assert not thread.is_alive()
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_a_step_leaves_a_child_that_starts_anew(worker):
    worker.gate.clear()
    worker.background.request()
    assert worker.began.acquire(timeout=SOON)
    with worker.background._guard:  # the worst moment: someone holds the lock
        child = os.fork()
        if child == 0:
            code = 1
            try:
                worker.gate = threading.Event()
                worker.gate.set()
                worker.began = threading.Semaphore(0)
                worker.background.request().result(SOON)
                code = 0 if worker.steps == 2 else 2
            finally:
                os._exit(code)
    worker.gate.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
