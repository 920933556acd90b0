"""The socket that workers share: what is asked as one, who may connect, what garbage and silence do to it."""

import json
import os
import queue
import socket
import stat
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Revocations
from watchword.transport import Response, TransportError
from watchword.verify import shared as shared_module
from watchword.verify.nonces import HEADER, MOST_NONCES, joined_nonce, nonce_in
from watchword.verify.shared import SharedFeed, SharedStreaming

URL = "https://issuer.test/revocations"
PATIENCE = 60
NONCES = [f"{letter}" * 22 for letter in "ABCDEFGH"]
nonces = st.text("ABCDEFGHIJ-_abc019", min_size=22, max_size=24)


# One nonce for several.


@given(st.lists(nonces, min_size=1, max_size=5, unique=True), st.lists(nonces, min_size=1, max_size=5, unique=True))
def test_no_two_lists_are_joined_alike(one, other):
    assert (joined_nonce(one) == joined_nonce(other)) == (one == other)


@given(st.lists(nonces, min_size=1, max_size=8, unique=True))
def test_every_one_of_those_joined_finds_itself_and_nobody_else_does(several):
    header = ",".join(several)
    assert {nonce_in(nonce, header) for nonce in several} == {joined_nonce(several)}
    assert nonce_in("x" * 30, header) is None
    assert nonce_in(several[0][:-1], header) is None


@pytest.mark.parametrize(
    "header",
    ["", ",", NONCES[0][:-1], f"{NONCES[0]},", f"{NONCES[0]},short", f"{NONCES[0]},{'B' * 129}",
     f"{NONCES[0]}, {NONCES[1]}", f"{NONCES[0]},{NONCES[1]}\n", ",".join([NONCES[0]] + ["B" * 22] * MOST_NONCES)],
)  # fmt: skip
def test_a_list_that_is_not_sound_is_for_nobody(header):
    assert nonce_in(NONCES[0], header) is None


def test_the_joined_nonce_is_one_that_a_feed_takes():
    assert len(joined_nonce(NONCES)) == 43


# Settings.


@pytest.mark.parametrize("path", ["feed.sock", "", "/x\0", "/" + "x" * 90])
def test_a_path_that_cannot_be_is_refused(path):
    with pytest.raises(ValueError, match="shared must be"):
        Revocations(shared=path)


def test_answers_that_are_not_signed_are_not_shared():
    with pytest.raises(ValueError, match="signed"):
        Revocations(shared="/run/feed.sock", signed=False)


# The socket.


class Lines:
    """A stream that says what it is given, until it is interrupted."""

    def __init__(self, status=200) -> None:
        self.status = status
        self.headers = {"content-type": "text/event-stream"}
        self.queue = queue.Queue()
        self.over = threading.Event()

    def say(self, *lines: bytes) -> None:
        for line in (*lines, b""):
            self.queue.put(line)

    def lines(self):
        while (line := self.queue.get(timeout=PATIENCE)) is not None:
            yield line

    def interrupt(self) -> None:
        self.over.set()
        self.queue.put(None)

    def close(self) -> None:
        self.over.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Upstream:
    """The feed, as the one who serves the socket asks it."""

    def __init__(self) -> None:
        self.asked = []
        self.opened = []
        self.answer = Response(200, {"content-type": "application/x", "set-cookie": "no"}, b"signed")
        self.stream_status = 200

    def fetch(self, request):
        self.asked.append(parse_qs(urlsplit(request.url).query))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def stream(self, request, *, idle):
        lines = Lines(self.stream_status)
        self.opened.append((parse_qs(urlsplit(request.url).query)["cursor"][0], lines))
        return lines


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder / "feed.sock"


@pytest.fixture
def worker(path, upstream):
    made = []

    def make(transport=upstream, url=URL):
        shared = SharedFeed(str(path), transport, url=url, headers=lambda: {"Authorization": "Bearer s3cret"})
        made.append(shared)
        return shared

    yield make
    for shared in made:
        shared.close()


def ask(shared, nonce=NONCES[0], cursor="e.1.c", gather=0.0, timeout=PATIENCE):
    return shared.ask(cursor, nonce, gather=gather, timeout=timeout, max_bytes=1000)


def together(*acts):
    """Run them at once. Returns: what each returned, in order."""
    results = [None] * len(acts)

    def run(number, act):
        results[number] = act()

    threads = [threading.Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def test_questions_that_wait_together_are_asked_as_one_and_each_finds_its_nonce(worker, upstream):
    workers = [worker() for _ in NONCES]
    ask(workers[0], "Z" * 22)

    def last():
        while len(getattr(workers[0]._leader._groups.get("e.1.c"), "nonces", ())) < len(NONCES) - 1:
            time.sleep(0.005)
        return ask(workers[-1], NONCES[-1])  # which waits for nobody, and so do the others then

    patient = zip(workers[:-1], NONCES[:-1], strict=True)
    answers = together(*(lambda one=one, nonce=nonce: ask(one, nonce, gather=PATIENCE) for one, nonce in patient), last)
    assert len(upstream.asked) == 2
    assert upstream.asked[1]["cursor"] == ["e.1.c"]
    for nonce, answer in zip(NONCES, answers, strict=True):
        assert answer.body == b"signed"
        assert "set-cookie" not in answer.headers
        assert nonce_in(nonce, answer.headers[HEADER]) == upstream.asked[1]["nonce"][0]
    assert sum(one.leading for one in workers) == 1


def test_questions_after_different_cursors_are_asked_apart(worker, upstream):
    one, other = worker(), worker()
    ask(one)
    together(lambda: ask(one, NONCES[1], "e.2.c", gather=0.2), lambda: ask(other, NONCES[2], None, gather=0.2))
    assert sorted(str(asked.get("cursor")) for asked in upstream.asked) == ["None", "['e.1.c']", "['e.2.c']"]
    assert all(len(asked["nonce"]) == 1 for asked in upstream.asked)


def test_a_question_that_came_after_another_left_waits_for_the_next(worker, upstream):
    entered, leave = threading.Event(), threading.Event()
    plain = upstream.fetch

    def slow(request):
        answer = plain(request)
        entered.set()
        leave.wait(PATIENCE)
        return answer

    upstream.fetch = slow
    one, other = worker(), worker()
    first = threading.Thread(target=ask, args=(one, NONCES[0]))
    first.start()
    assert entered.wait(PATIENCE)
    found = []
    second = threading.Thread(target=lambda: found.append(ask(other, NONCES[1])))
    second.start()
    leave.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert len(upstream.asked) == 2
    assert found[0].headers[HEADER] == NONCES[1]


@pytest.mark.parametrize("answer", [Response(401, {}, b""), Response(503, {}, b""), TransportError("away")])
def test_what_the_feed_does_not_answer_well_is_asked_directly(worker, upstream, answer):
    upstream.answer = answer
    shared = worker()
    assert ask(shared) is None
    upstream.answer = Response(200, {}, b"signed")
    assert ask(shared) is None, "for a while"
    assert len(upstream.asked) == 1


def test_another_feed_is_not_asked_by_this_socket(worker, upstream):
    ask(worker())
    assert ask(worker(url="https://other.test/revocations")) is None
    assert len(upstream.asked) == 1


def test_when_who_serves_goes_the_next_to_ask_serves(worker, upstream, path):
    one, other = worker(), worker()
    assert ask(one).body == b"signed"
    assert (one.leading, other.leading) == (True, False)
    one.close()
    assert not path.exists()
    assert ask(other).body == b"signed"
    assert other.leading


def test_a_socket_that_a_killed_process_left_is_taken_over(worker, path):
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(path))
    stale.close()
    assert ask(worker()).body == b"signed"


def test_only_this_user_may_connect(worker, path):
    ask(worker())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("feed.sock.lock").stat().st_mode) == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == ["feed.sock", "feed.sock.lock"]


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_in_a_folder_that_others_may_write_to_nothing_is_served(worker, upstream, path, mode):
    path.parent.chmod(mode)
    assert ask(worker()) is None
    assert upstream.asked == []
    assert not path.exists()


def test_a_lock_that_leads_elsewhere_is_not_followed(worker, upstream, path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    path.with_name("feed.sock.lock").symlink_to(elsewhere)
    assert ask(worker()) is None
    assert not elsewhere.exists()


def test_nobody_is_asked_whom_another_user_has_put_in_the_place(worker, upstream, monkeypatch):
    one, other = worker(), worker()
    ask(one)
    monkeypatch.setattr(shared_module, "peer_uid", lambda _: os.geteuid() + 1)
    assert ask(other) is None


GARBAGE = [
    b"", b"\n", b"{}\n", b"x" * 10_000, b"x" * 4096 + b"\n", b"[1]\n", b"\xff\xfe\n",
    json.dumps({"url": URL, "cursor": None, "timeout": 1, "nonce": "short"}).encode() + b"\n",
    json.dumps({"url": URL, "cursor": "x" * 600, "timeout": 1, "nonce": NONCES[0]}).encode() + b"\n",
    json.dumps({"url": URL, "cursor": None, "timeout": 1e9, "nonce": NONCES[0]}).encode() + b"\n",
    json.dumps({"url": URL, "cursor": None, "timeout": -1, "nonce": NONCES[0], "gather": 1}).encode() + b"\n",
    json.dumps({"url": "https://169.254.169.254/", "cursor": None, "timeout": 1, "nonce": NONCES[0]}).encode() + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("said", GARBAGE)
def test_garbage_asks_nothing_and_the_next_question_is_answered(worker, upstream, path, said):
    shared = worker()
    ask(shared)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        try:
            answer = sock.recv(4096)
        except ConnectionError:
            answer = b""
        assert b"signed" not in answer
        assert b"s3cret" not in answer
    assert len(upstream.asked) == 1
    assert ask(shared).body == b"signed"


class Imposter:
    """Somebody of the same user who serves the socket, badly."""

    def __init__(self, path, said: bytes) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve, args=(said,), daemon=True)
        self.thread.start()

    def leave(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()

    def _serve(self, said):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                sock.recv(4096)
                sock.sendall(said)


@pytest.mark.parametrize(
    "said", [b"", b"x\n", b"{}\n", b'{"status":200,"size":-1}\n', b'{"status":200,"size":9999999}\n',
             b'{"status":200,"size":5}\nab', b'{"status":"200"}\n', b"y" * 70_000]
)  # fmt: skip
def test_an_answer_that_is_none_is_not_taken_and_the_feed_is_asked_directly(worker, upstream, path, said):
    imposter = Imposter(path, said)
    try:
        assert ask(worker()) is None
    finally:
        imposter.leave()


def test_one_who_serves_in_silence_is_waited_for_no_longer_than_a_question_may_take(worker, path, monkeypatch):
    monkeypatch.setattr(shared_module, "DIAL_SECONDS", 0.1)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    began = time.monotonic()
    assert ask(worker(), timeout=0.2) is None
    assert time.monotonic() - began < PATIENCE
    listener.close()


# The stream.


def follow(shared, cursor):
    return shared.stream(cursor, timeout=PATIENCE, idle=PATIENCE, max_bytes=100_000)


def block(stream):
    """The lines of one event, heartbeats left out."""
    got = []
    for line in stream.lines():
        if line:
            got.append(line)
        elif got and not got[0].startswith(b":"):
            return got
        else:
            got = []
    return None


def test_one_stream_goes_to_all_word_for_word(worker, upstream):
    streams = [follow(worker(), "e.1.c") for _ in range(4)]
    assert [cursor for cursor, _ in upstream.opened] == ["e.1.c"]
    upstream.opened[0][1].say(b"event: cut-offs", b"id: e.2.c", b"data: signed")
    assert [block(stream) for stream in streams] == [[b"event: cut-offs", b"id: e.2.c", b"data: signed"]] * 4
    for stream in streams:
        stream.close()
    assert upstream.opened[0][1].over.wait(PATIENCE), "with the last worker the stream ends"


def test_who_comes_a_moment_late_is_told_what_it_missed(worker, upstream):
    first = follow(worker(), "e.1.c")
    for number in (2, 3, 4):
        upstream.opened[0][1].say(b"event: cut-offs", b"id: e.%d.c" % number, b"data: %d" % number)
        assert block(first)[2] == b"data: %d" % number
    second = follow(worker(), "e.2.c")
    assert [block(second)[2] for _ in range(2)] == [b"data: 3", b"data: 4"]
    upstream.opened[0][1].say(b"event: cut-offs", b"id: e.5.c", b"data: 5")
    assert block(second)[2] == b"data: 5"
    assert len(upstream.opened) == 1


def test_when_the_feed_ends_the_stream_it_ends_for_all_and_the_next_opens_another(worker, upstream):
    one, other = worker(), worker()
    streams = [follow(one, "e.1.c"), follow(other, "e.1.c")]
    upstream.opened[0][1].queue.put(None)
    assert [block(stream) for stream in streams] == [None, None]
    for stream in streams:
        stream.close()
    again = follow(other, "e.9.c")
    assert [cursor for cursor, _ in upstream.opened] == ["e.1.c", "e.9.c"]
    again.close()


def test_a_stream_that_cannot_be_had_is_asked_for_directly(worker, upstream):
    upstream.stream_status = 503
    own = Upstream()
    streaming = SharedStreaming(worker(), own)
    from watchword.transport import Request

    with streaming.stream(Request(f"{URL}?cursor=e.1.c"), idle=1):
        assert [cursor for cursor, _ in own.opened] == ["e.1.c"]


def test_a_worker_that_takes_nothing_is_sent_away_and_the_others_are_served(worker, upstream):
    slow, quick = follow(worker(), "e.1.c"), follow(worker(), "e.1.c")
    feed = upstream.opened[0][1]
    for number in range(60):
        feed.say(b"id: e.%d.c" % (number + 2), b"data: " + b"x" * 50_000)
        assert len(block(quick)) == 2
    lost = sum(1 for _ in iter(lambda: block(slow), None))
    assert lost < 60, "it was sent away"


def test_lines_that_never_end_are_not_taken(worker, upstream):
    stream = worker().stream("e.1.c", timeout=PATIENCE, idle=PATIENCE, max_bytes=100)
    upstream.opened[0][1].say(b"data: " + b"x" * 1000)
    with pytest.raises(TransportError, match="too long"):
        block(stream)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_child_of_a_fork_lets_go_of_the_socket_and_another_may_serve_it(worker, path):
    one = worker()
    ask(one)
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(done, b"1" if not one.leading else b"0")
        time.sleep(PATIENCE)
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"1"
        one.close()
        other = worker()
        assert ask(other).body == b"signed", "the child holds neither lock nor socket"
        assert other.leading
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(done)
