"""One error, one table of statuses and headers."""

import pickle

import pytest
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode


@pytest.mark.rfc("6749 §5.2/1")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.INVALID_REQUEST, 400),
        (ErrorCode.INVALID_CLIENT, 401),
        (ErrorCode.INVALID_GRANT, 400),
        (ErrorCode.INVALID_TOKEN, 401),
        (ErrorCode.INSUFFICIENT_SCOPE, 403),
        (ErrorCode.SERVER_ERROR, 500),
        (ErrorCode.TEMPORARILY_UNAVAILABLE, 503),
        (ErrorCode.USE_DPOP_NONCE, 400),
    ],
)
def test_the_status_follows_from_the_code(code, status):
    assert OAuthError(code, "x").status == status


@pytest.mark.rfc("9449 §7.1/2")
def test_a_resource_answers_a_failed_proof_with_401():
    assert OAuthError(ErrorCode.USE_DPOP_NONCE, "x").status_at_resource == 401
    assert OAuthError(ErrorCode.INVALID_REQUEST, "x").status_at_resource == 400


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_an_answer_that_may_not_be_stored_and_every_401_a_challenge(code):
    error = OAuthError(code, "x")
    headers = dict(error.headers)
    assert headers["Cache-Control"] == "no-store"
    assert (error.status == 401) <= ("WWW-Authenticate" in headers)
    assert (error.status == 503) == ("Retry-After" in headers)


@pytest.mark.rfc("6749 §5.2/3")
def test_a_description_holds_only_what_the_rfc_allows_and_the_detail_stays_inside():
    error = OAuthError(ErrorCode.INVALID_REQUEST, 'a "quoted"\nthing', detail="secret of the log")
    assert error.members() == {"error": "invalid_request", "error_description": "a ?quoted??thing"}
    assert "secret" not in str(error)
    assert "secret" not in repr(error)


def test_an_unregistered_code_cannot_be_raised():
    with pytest.raises(ValueError, match="made_up"):
        OAuthError("made_up", "x")


def test_it_survives_a_process_boundary():
    error = pickle.loads(pickle.dumps(OAuthError(ErrorCode.INVALID_GRANT, "gone", detail="why")))
    assert (error.code, error.description) == (ErrorCode.INVALID_GRANT, "gone")
