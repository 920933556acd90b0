"""What a proxy tells, read strictly: nothing given twice, nothing that no proxy sends, nothing a client could say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.edge.checker import CHECKS
from watchword.edge.question import BadQuestion, Question, Told, read


def ask(*lines, told=Told.NGINX) -> Question:
    return read("\r\n".join(lines).encode("latin-1"), told, CHECKS)


def test_nginx_tells_by_the_headers_its_configuration_sets():
    question = ask(
        "GET /url?scope=a&scope=b HTTP/1.1",
        "Host: edge",
        "X-Original-Method: PUT",
        "X-Original-URI: /media/1?x=%20",
        "X-Original-Host: media.example.com",
        "X-Original-Content-Length: 7",
        "Content-Type: image/png",
        "X-Real-IP: 192.0.2.7",
        "Authorization: Bearer a",
    )
    assert question == Question(
        "/url",
        {"scope": ("a", "b")},
        "PUT",
        "/media/1?x=%20",
        "media.example.com",
        "192.0.2.7",
        ("Bearer a",),
        "image/png",
        "7",
    )


def test_forward_auth_tells_by_forwarded_headers_of_which_the_last_address_counts():
    question = ask(
        "GET /either HTTP/1.1",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Uri: /a?b",
        "X-Forwarded-Host: h",
        "X-Forwarded-For: 10.0.0.1, 192.0.2.7",
        "X-Original-URI: /other",
        told=Told.FORWARDED,
    )
    assert (question.target, question.host, question.client) == ("/a?b", "h", "192.0.2.7")


def test_envoy_tells_by_the_question_itself():
    question = ask("POST /url/media/1?x=1 HTTP/1.1", "Host: h", "X-Forwarded-Uri: /other", told=Told.ENVOY)
    assert (question.check, question.method, question.target, question.host) == ("/url", "POST", "/media/1?x=1", "h")
    assert ask("GET /healthz HTTP/1.1", told=Told.ENVOY).check == "/healthz"


@pytest.mark.parametrize(("told", "length"), [(Told.NGINX, "7"), (Told.ENVOY, "7"), (Told.FORWARDED, None)])
def test_the_length_of_a_question_is_not_that_of_the_client_s_body(told, length):
    """Envoy's questions say 0, which would let any upload pass that is held to a greatest length."""
    head = ["PUT /url/a HTTP/1.1", "Content-Length: 0"]
    assert ask(*head, told=told).content_length is None
    # Forward-auth hands on what a client says here.
    assert ask(*head, "X-Original-Content-Length: 7", told=told).content_length == length


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["GET /url"],
        ["GET /url HTTP/2"],
        ["GET /url a HTTP/1.1"],
        ["GET /url HTTP/1.1", "no colon"],
        ["GET /url HTTP/1.1", ": empty"],
        ["GET /url HTTP/1.1", " folded: x"],
        ["GET /url HTTP/1.1", "X-Original-URI: /a", "X-Original-URI: /b"],
        ["GET /url HTTP/1.1", "X-Real-IP: 1.1.1.1", "x-real-ip: 2.2.2.2"],
        ["GET /url HTTP/1.1", "Host: a", "Host: b"],
        ["GET /url HTTP/1.1", "Content-Length: 0", "Content-Length: 40"],
        ["GET /url HTTP/1.1", "X-Original-Content-Length: 0", "X-Original-Content-Length: 40"],
        ["GET /url HTTP/1.1", "X-Envoy-External-Address: 192.0.2.1", "X-Envoy-External-Address: 192.0.2.2"],
        ["GET /token?scope= HTTP/1.1"],
        ["GET /token?scope=a&role= HTTP/1.1"],
        ["GET /token?role HTTP/1.1"],
        ["GET /token?scopes=reports:read HTTP/1.1"],
        ["GET /token?Scope=reports:read HTTP/1.1"],
        ["GET /token?scope=a;role=admin&x HTTP/1.1"],
        ["GET /url HTTP/1.1", *[f"a{n}: b" for n in range(120)]],
    ],
)
def test_what_no_proxy_sends_is_no_question(lines):
    with pytest.raises(BadQuestion):
        ask(*lines)


def test_a_client_whose_query_a_proxy_adds_can_only_ask_for_more():
    question = ask("GET /token?scope=a&ww=1.k.2..sig&x= HTTP/1.1", told=Told.FORWARDED)
    assert question.asked["scope"] == ("a",)
    with pytest.raises(BadQuestion):
        ask("GET /token?scope=&x=1 HTTP/1.1", told=Told.FORWARDED)


@given(st.binary(max_size=300), st.sampled_from(list(Told)))
def test_whatever_comes_is_a_question_or_none(head, told):
    try:
        question = read(head, told, CHECKS)
    except (BadQuestion, ValueError):
        return
    assert isinstance(question, Question)
