"""Django: settings, checks, middleware, users, CSRF; REST framework and Ninja where they differ."""

import uuid

import pytest

from .stages.callers import AsgiCaller, WsgiCaller
from .stages.django import configured

from django.contrib.auth.decorators import login_required  # isort: skip
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from ninja import NinjaAPI, Router
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView, Response
from watchword import SyncVerifier
from watchword.adapters import drf, ninja
from watchword.adapters.django import TokenUser, optional, require, token_of
from watchword.adapters.django.conf import gate
from watchword.adapters.django.middleware import NAME

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
SOUND = {"ISSUER": "https://issuer.test", "AUDIENCE": "api", "REVOCATIONS": {}}


def whoever(request):
    user = getattr(request, "user", None)
    return JsonResponse({"user": str(user) if user is not None else None})


def bearer(token):
    return f"Bearer {token}"


async def ask(issuer, view, *authorization, middleware=(), method="GET", caller=WsgiCaller, **settings):
    handler = {WsgiCaller: WSGIHandler, AsgiCaller: ASGIHandler}[caller]
    auth = settings.pop("auth", {})
    with configured([path("", view)], issuer.sync_verifier(), auth, MIDDLEWARE=list(middleware), **settings):
        return await caller(handler()).ask("/", *authorization, method=method)


@pytest.mark.parametrize("caller", [WsgiCaller, AsgiCaller])
async def test_the_middleware_lets_nobodies_in_and_answers_bad_credentials_anywhere(issuer, caller):
    options = {"middleware": [NAME], "caller": caller}
    assert (await ask(issuer, whoever, **options)).json == {"user": None}
    assert (await ask(issuer, whoever, bearer(issuer.token()), **options)).json == {"user": "ada"}
    for bad, status in (("Bearer x", 401), ("Bearer a b", 400)):
        assert (await ask(issuer, whoever, bad, **options)).status == status


async def test_django_s_own_decorators_see_the_user_of_the_token(issuer):
    view = login_required(whoever)
    assert (await ask(issuer, view, bearer(issuer.token()), middleware=[NAME])).json == {"user": "ada"}


async def test_a_token_needs_no_csrf_token_and_nobody_without_one_is_spared_it(issuer):
    chain = [CSRF, NAME]
    assert (await ask(issuer, whoever, method="POST", middleware=chain)).status == 403
    assert (await ask(issuer, whoever, bearer(issuer.token()), method="POST", middleware=chain)).status == 200
    guarded = require()(whoever)
    assert (await ask(issuer, guarded, bearer(issuer.token()), method="POST", middleware=[CSRF])).status == 200
    assert (await ask(issuer, guarded, method="POST", middleware=[CSRF])).status == 401
    assert (await ask(issuer, optional()(whoever), method="POST", middleware=[CSRF])).status == 403


def test_csrf_is_spared_to_no_bad_token(issuer):
    with configured([path("", whoever)], issuer.sync_verifier(), {}, MIDDLEWARE=[CSRF, NAME]):
        request = RequestFactory().post("/", headers={"Authorization": "Bearer x"})
        assert WSGIHandler().get_response(request).status_code == 401
        assert not getattr(request, "_dont_enforce_csrf_checks", False)


async def test_users_are_whom_the_settings_say(issuer):
    def rows(token):
        return {"ada": "row of ada"}.get(token.sub)

    options = {"middleware": [NAME], "auth": {"user": rows}}
    assert (await ask(issuer, whoever, bearer(issuer.token()), **options)).json == {"user": "row of ada"}


async def test_classes_are_guarded_by_django_s_own_adaptor(issuer):
    @method_decorator(require(roles=["admin"]), name="dispatch")
    class Show(View):
        def get(self, request):
            return JsonResponse({"sub": token_of(request).sub})

    view = Show.as_view()
    assert (await ask(issuer, view)).status == 401
    assert (await ask(issuer, view, bearer(issuer.token()))).status == 403
    assert (await ask(issuer, view, bearer(issuer.token(roles=["admin"])))).json == {"sub": "ada"}


async def test_async_views_are_guarded_as_well_and_know_the_user(issuer):
    @require()
    async def view(request):
        return JsonResponse({"user": str(await request.auser())})

    assert (await ask(issuer, view, caller=AsgiCaller)).status == 401
    assert (await ask(issuer, view, bearer(issuer.token()), caller=AsgiCaller)).json == {"user": "ada"}


def test_a_user_of_a_token_may_what_its_permissions_say_and_nothing_else(issuer):
    user = TokenUser(issuer.access_token("ada", permissions=["reports.view"], roles=["admin"], scope="admin"))
    assert (user.is_authenticated, user.is_anonymous, user.is_active) == (True, False, True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.has_perm("reports.view")
    assert not user.has_perm("reports.view", obj=object())
    assert not user.has_perm("reports.change")
    assert not user.has_perms(["reports.view", "reports.change"])
    assert not user.has_module_perms("reports")
    with pytest.raises(TypeError):
        user.has_perms("reports.view")
    assert user == TokenUser(issuer.access_token("ada"))
    assert user != TokenUser(issuer.access_token("eve"))
    assert {user.pk, user.id, user.username, user.get_username(), str(user)} == {"ada"}


WRONG = [
    (None, "must be a dict"),
    ({}, "either VERIFIER, or ISSUER and AUDIENCE"),
    ({"ISSUER": "https://issuer.test"}, "AUDIENCE"),
    ({"ISSUER": "https://issuer.test", "AUDIENCE": ""}, "audience"),
    ({"VERIFIER": "nowhere.verifier"}, "nowhere"),
    ({"VERIFIER": "watchword.Nothing"}, "Nothing"),
    ({**SOUND, "VERIFIER": object()}, "either VERIFIER"),
    ({**SOUND, "AUDIENCES": ["api"]}, "knows no AUDIENCES"),
    ({**SOUND, "REVOCATIONS": {"poll": 1}}, "poll"),
    ({**SOUND, "REVOCATIONS": True}, "revocations must be"),
    ({**SOUND, "REALM": "a\nb"}, "printable"),
    ({**SOUND, "USER": "nowhere.user"}, "nowhere"),
    ({**SOUND, "USER": 1}, "USER must be a function"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG, ids=[said for _, said in WRONG])
def test_settings_that_cannot_be_are_told_by_the_check_and_refuse_every_request(settings, said):
    with override_settings(WATCHWORD=settings):
        (error,) = run_checks(tags=["security"])
        assert (error.id, said in error.msg) == ("watchword.E001", True)
        if "USER" not in (settings or {}):
            with pytest.raises(ImproperlyConfigured):
                gate()


def test_sound_settings_make_one_verifier_and_pass_the_check():
    with override_settings(WATCHWORD=SOUND, MIDDLEWARE=[USERS, NAME]):
        assert run_checks(tags=["security"]) == []
        assert isinstance(gate().verifier, SyncVerifier)
        assert gate() is gate()


def test_a_middleware_whose_users_are_taken_away_again_is_an_error():
    with override_settings(WATCHWORD=SOUND, MIDDLEWARE=[NAME, USERS]):
        assert [found.id for found in run_checks(tags=["security"])] == ["watchword.E002"]


def test_before_deployment_plain_http_and_tokens_that_nothing_revokes_are_told():
    given = {"ISSUER": "http://issuer.test", "AUDIENCE": "api"}
    with override_settings(WATCHWORD=given):
        found = [one.id for one in run_checks(tags=["security"], include_deployment_checks=True)]
        assert {"watchword.W001", "watchword.W002"} <= set(found)
    with override_settings(WATCHWORD=SOUND):
        found = [one.id for one in run_checks(tags=["security"], include_deployment_checks=True)]
        assert not any(one.startswith("watchword") for one in found)


def test_rest_framework_s_own_way_to_log_in_in_tests_works(issuer):
    class Show(APIView):
        authentication_classes = (drf.BearerAuthentication,)
        permission_classes = (drf.require(roles=["admin"]),)

        def get(self, request):
            return Response({"sub": request.auth.sub})

    with configured([], issuer.sync_verifier(), {}):
        for roles, status in ((["admin"], 200), ([], 403)):
            token = issuer.access_token(roles=roles)
            request = APIRequestFactory().get("/")
            force_authenticate(request, user=TokenUser(token), token=token)
            assert Show.as_view()(request).status_code == status


async def test_a_permission_of_rest_framework_alone_lets_nobody_in_without_a_token(issuer):
    class Show(APIView):
        authentication_classes = ()
        permission_classes = (drf.TokenRequired,)

        def get(self, request):
            return Response({})

    assert (await ask(issuer, Show.as_view())).status == 401


@pytest.fixture
def api(issuer):
    """A Ninja API with a router, and operations of both kinds."""
    api = NinjaAPI(urls_namespace=uuid.uuid4().hex)
    auth = ninja.BearerAuth(api)
    router = Router(auth=auth.require(roles=["admin"]))

    @router.get("/users")
    def users(request):
        return {"sub": request.auth.sub}

    @api.get("/async", auth=auth)
    async def in_loop(request):
        return {"sub": request.auth.sub}

    api.add_router("/admin", router)
    return api


async def test_routers_of_ninja_and_async_operations_are_guarded(issuer, api):
    with configured([path("", api.urls)], issuer.sync_verifier(), {}):
        for caller in (WsgiCaller(WSGIHandler()), AsgiCaller(ASGIHandler())):
            for route in ("/admin/users", "/async"):
                answer = await caller.ask(route)
                assert (answer.status, answer.challenge) == (401, "Bearer")
                good = bearer(issuer.token(roles=["admin"]))
                assert (await caller.ask(route, good)).json == {"sub": "ada"}
            assert (await caller.ask("/admin/users", bearer(issuer.token()))).status == 403


def test_ninja_shows_the_scheme_in_openapi(issuer, api):
    with configured([path("", api.urls)], issuer.sync_verifier(), {}):
        described = api.get_openapi_schema()
    (scheme,) = described["components"]["securitySchemes"].values()
    assert scheme == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert repr(ninja.NOBODY) == "NOBODY"
