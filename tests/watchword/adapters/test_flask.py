"""Flask: whole applications, open views, handlers of errors, async views."""

import pytest
from flask import Blueprint, Flask, jsonify
from watchword.adapters.flask import BearerAuth, current_token


@pytest.fixture
def auth(issuer):
    return BearerAuth(issuer.sync_verifier())


@pytest.fixture
def app(auth):
    app = Flask(__name__)

    @app.get("/profile")
    @auth.require()
    def profile():
        return {"sub": current_token.sub}

    return app


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_whole_application_is_closed_but_for_what_is_marked(issuer, app, auth):
    auth.init_app(app)

    @app.get("/inside")
    def inside():
        return {"sub": current_token.sub}

    @app.get("/health")
    @auth.open
    def health():
        return {}

    @app.get("/posts")
    @auth.optional()
    def posts():
        return {"sub": current_token.sub if current_token else None}

    client = app.test_client()
    for path in ("/inside", "/profile", "/nothing", "/static/x"):
        assert client.get(path).status_code == 401
    assert client.get("/inside", headers=bearer(issuer.token())).json == {"sub": "ada"}
    assert client.get("/nothing", headers=bearer(issuer.token())).status_code == 404
    assert client.get("/health").status_code == 200
    assert client.get("/posts").json == {"sub": None}
    assert client.get("/posts", headers=bearer(issuer.token())).json == {"sub": "ada"}


def test_a_guard_around_an_open_view_closes_it_again(issuer, app, auth):
    auth.init_app(app)

    @app.get("/both")
    @auth.require(roles=["admin"])
    @auth.open
    def both():
        return {}

    client = app.test_client()
    assert client.get("/both").status_code == 401
    assert client.get("/both", headers=bearer(issuer.token())).status_code == 403


def test_the_application_words_its_refusals_itself(app):
    @app.errorhandler(401)
    def unauthorized(error):
        return (
            jsonify(error=error.description),
            401,
            {"WWW-Authenticate": dict(error.get_headers())["WWW-Authenticate"]},
        )

    answer = app.test_client().get("/profile")
    assert (answer.json, answer.headers["WWW-Authenticate"]) == ({"error": "an access token is required"}, "Bearer")


def test_blueprints_are_guarded_by_their_own_hook(issuer, app, auth):
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")
    blueprint.before_request(auth.require(roles=["admin"])(lambda: None))

    @blueprint.get("/users")
    def users():
        return {"sub": current_token.sub}

    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/admin/users", headers=bearer(issuer.token())).status_code == 403
    assert client.get("/admin/users", headers=bearer(issuer.token(roles=["admin"]))).json == {"sub": "ada"}


def test_a_token_does_not_outlive_its_request_where_a_context_was_pushed_by_hand(issuer, app, auth):
    @app.get("/perhaps")
    @auth.optional()
    def perhaps():
        return {"sub": current_token.sub if current_token else None}

    with app.app_context():
        client = app.test_client()
        assert client.get("/perhaps", headers=bearer(issuer.token())).json == {"sub": "ada"}
        assert client.get("/perhaps").json == {"sub": None}
    with pytest.raises(RuntimeError):
        current_token.sub  # noqa: B018


def test_async_views_are_guarded_as_well(issuer, app, auth):
    @app.get("/async")
    @auth.require()
    async def view():
        return {"sub": current_token.sub}

    client = app.test_client()
    assert client.get("/async").status_code == 401
    assert client.get("/async", headers=bearer(issuer.token())).json == {"sub": "ada"}


def test_a_verifier_for_asyncio_is_refused_with_the_mend(issuer):
    with pytest.raises(TypeError, match="use SyncVerifier"):
        BearerAuth(issuer.verifier())
