"""Who is let in: the matrix of tokens, scopes, and routes that nobody decided about."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter as PlainRouter
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from anliegen.kit import Handlers, Service, Settings
from anliegen.kit.errors import SettingsRefused, Unauthenticated
from anliegen.kit.http import APIRouter, Tx, idempotent, public, requires, unconditional
from anliegen.kit.http.app import create_app
from anliegen.kit.http.auth import Authenticator, check_issuer
from anliegen.kit.http.keys import KeySource, KeysUnavailable
from anliegen.kit.http.routing import RouteRefused
from anliegen.kit.principal import Principal
from anliegen.kit.testing.clients import ISSUER, TestClient, token

ADMINISTERED = "/kit-door/v1/administered"
THINGS = "/kit-door/v1/things"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
JWKS = {"keys": [key.as_dict(private=False) for key in (RSA, EC, EDWARDS)]}


def settings(**changes) -> Settings:
    given = {"environment": "test", "database_url": "postgresql://nowhere/x", "oidc_issuer": ISSUER}
    return Settings(**{**given, **changes})


class Issuer:
    """An issuer that can be away, and counts how often it is asked."""

    def __init__(self, document=JWKS) -> None:
        self.document = document
        self.asked: list[str] = []
        self.away = False
        self.now = 1000.0

    async def fetch(self, address: str):
        self.asked.append(address)
        await asyncio.sleep(0)
        if self.away:
            raise httpx.ConnectError("no route")
        if address.endswith("openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": "https://issuer.test/keys"}
        return self.document

    def keys(self, jwks_url: str = "https://issuer.test/keys") -> KeySource:
        return KeySource(ISSUER, jwks_url, fetch=self.fetch, clock=lambda: self.now)

    def authenticator(self, **changes) -> Authenticator:
        # Its clock stands still, like the tokens' times: however long the other tests take.
        return Authenticator(settings(**changes), self.keys(), clock=lambda: float(NOW))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def claims(**changes):
    now = int(time.time())
    content = {"iss": ISSUER, "aud": "anliegen", "sub": "anna", "exp": now + 600, "scope": "things:read", **changes}
    return {name: value for name, value in content.items() if value is not None}


def signed(key=RSA, algorithm="RS256", *, header=None, **changes) -> str:
    head = {"alg": algorithm, "kid": key.kid, **(header or {})}
    return jwt.encode({k: v for k, v in head.items() if v is not None}, claims(**changes), key, algorithms=[algorithm])


def bare(header: dict, content: dict, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(content).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hs256_with_the_public_key() -> str:
    unsigned = bare({"alg": "HS256", "kid": "rsa"}, claims()).rpartition(".")[0]
    signature = hmac.new(RSA.as_pem(private=False), unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, signature = signed().split(".")
    body = json.dumps(claims(scope="admin:*")).encode()
    return f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (EDWARDS, "Ed25519")])
async def test_allowed_algorithm_lets_in(issuer: Issuer, key, algorithm):
    principal = await issuer.authenticator().authenticate(f"Bearer {signed(key, algorithm)}")
    assert principal == Principal("anna", scopes=frozenset({"things:read"}))


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_the_old_name_of_ed25519(issuer: Issuer):
    assert (await issuer.authenticator().authenticate(f"bearer {signed(EDWARDS, 'EdDSA')}")).subject == "anna"


NOW = int(time.time())
REFUSED = {
    "alg none": lambda: bare({"alg": "none", "kid": "rsa"}, claims()),
    "alg None in capitals": lambda: bare({"alg": "None", "kid": "rsa"}, claims()),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "HS256 with the public key": hs256_with_the_public_key,
    "another key of the same id": lambda: signed(STRANGER),
    "an algorithm that is not on the list": lambda: signed(RSA, "RS512"),
    "a key of another kind": lambda: signed(EC, "ES256", header={"kid": "rsa"}),
    "tampered claims": tampered,
    "wrong audience": lambda: signed(aud="somebody-else"),
    "wrong audiences": lambda: signed(aud=["a", "b"]),
    "no audience": lambda: signed(aud=None),
    "wrong issuer": lambda: signed(iss="https://other.test"),
    "no issuer": lambda: signed(iss=None),
    "expired": lambda: signed(exp=NOW - 120),
    "never expires": lambda: signed(exp=None),
    "expires at a text": lambda: signed(exp="tomorrow"),
    "not valid yet": lambda: signed(nbf=NOW + 300),
    "unknown key": lambda: signed(header={"kid": "other"}),
    "no key named": lambda: signed(header={"kid": None}),
    "key named by a number": lambda: bare({"alg": "RS256", "kid": 1}, claims()),
    "nobody's": lambda: signed(sub=None),
    "a journey that is no id": lambda: signed(journey_id="all"),
    "not a token": lambda: "nonsense",
    "two parts": lambda: "a.b",
    "not base64": lambda: "ä.b.c",
    "five parts": lambda: "a.b.c.d.e",
    "claims that are no object": lambda: bare({"alg": "RS256", "kid": "rsa"}, ["x"]),  # type: ignore[arg-type]
    "endless": lambda: "a" * 20_000,
}


@pytest.mark.parametrize("case", REFUSED)
async def test_wrong_token_is_refused(issuer: Issuer, case: str):
    with pytest.raises(Unauthenticated):
        await issuer.authenticator().authenticate(f"Bearer {REFUSED[case]()}")


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer", "Bearer  "])
async def test_caller_without_a_token_is_refused(issuer: Issuer, header: str | None):
    with pytest.raises(Unauthenticated):
        await issuer.authenticator().authenticate(header)


async def test_a_minute_of_leeway(issuer: Issuer):
    authenticator = issuer.authenticator()
    assert await authenticator.authenticate(f"Bearer {signed(exp=NOW - 30)}")
    assert await authenticator.authenticate(f"Bearer {signed(nbf=NOW + 30)}")


async def test_a_remembered_token_still_expires(issuer: Issuer):
    now = [float(NOW)]
    authenticator = Authenticator(settings(), issuer.keys(), clock=lambda: now[0])
    header = f"Bearer {signed(exp=NOW + 10)}"
    await authenticator.authenticate(header)
    now[0] += 71
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)


async def test_a_withdrawn_key_is_forgotten(issuer: Issuer):
    now = [float(NOW)]
    keys = issuer.keys()
    authenticator = Authenticator(settings(), keys, clock=lambda: now[0])
    header = f"Bearer {signed(exp=NOW + 6000)}"
    await authenticator.authenticate(header)
    issuer.document = {"keys": [EC.as_dict(private=False)]}
    issuer.now += 1000
    now[0] += 61
    await authenticator.authenticate(header)  # the old keys hold while the new ones are fetched
    await asyncio.sleep(0.01)
    now[0] += 61
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)


async def test_development_token_in_production(issuer: Issuer):
    header = f"Bearer {signed(anliegen_development=True)}"
    assert await issuer.authenticator(environment="embedded").authenticate(header)
    for environment in ("staging", "production"):
        with pytest.raises(Unauthenticated):
            await issuer.authenticator(environment=environment).authenticate(header)


@pytest.mark.parametrize(
    "changes",
    [
        {"oidc_issuer": ""},
        {"oidc_issuer": "http://issuer.test"},
        {"oidc_issuer": "https://issuer.test", "oidc_jwks_url": "http://issuer.test/keys"},
    ],
)
def test_settings_under_which_tokens_could_be_forged(changes):
    for environment in ("staging", "production"):
        with pytest.raises(SettingsRefused):
            check_issuer(settings(environment=environment, **changes))
    check_issuer(settings(**changes))


def test_settings_that_are_safe():
    check_issuer(settings(environment="production", oidc_issuer="https://issuer.test"))
    check_issuer(settings(environment="production", oidc_issuer="https://i.test", oidc_jwks_url="file:///keys.json"))


async def test_keys_are_found_by_discovery_and_fetched_once(issuer: Issuer):
    keys = issuer.keys(jwks_url="")
    found = await asyncio.gather(*(keys.find("rsa") for _ in range(20)))
    assert all(found)
    assert issuer.asked == [f"{ISSUER}/.well-known/openid-configuration", "https://issuer.test/keys"]


async def test_a_discovery_document_of_another_issuer_is_not_believed(issuer: Issuer):
    keys = KeySource("https://other.test", "", fetch=issuer.fetch)
    with pytest.raises(KeysUnavailable):
        await keys.find("rsa")


async def test_unknown_keys_do_not_flood_the_issuer(issuer: Issuer):
    keys = issuer.keys()
    for number in range(50):
        assert await keys.find(f"invented-{number}") is None
    assert len(issuer.asked) == 1
    issuer.document = {"keys": [*JWKS["keys"], STRANGER.as_dict(private=False) | {"kid": "new"}]}
    issuer.now += 11
    assert await keys.find("new") is not None
    assert len(issuer.asked) == 2


async def test_issuer_away_is_not_the_callers_fault(issuer: Issuer):
    issuer.away = True
    with pytest.raises(KeysUnavailable):
        await issuer.authenticator().authenticate(f"Bearer {signed()}")
    issuer.away = False
    keys = issuer.keys()
    assert await keys.find("rsa")
    issuer.away = True
    issuer.now += 2000
    assert await keys.find("rsa"), "the keys we have still hold"


async def test_private_parts_of_a_key_set_are_left_out():
    from anliegen.kit.http.keys import read_keys

    found = read_keys({"keys": [RSA.as_dict(private=True), {"kty": "oct", "k": "AA", "kid": "s"}]})
    assert list(found) == ["rsa"]
    assert not found["rsa"].is_private


async def test_no_token_is_401_with_the_way_to_get_in(client: TestClient, problem):
    response = await client.anonymous.get(THINGS)
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="anliegen"'


async def test_wrong_token_is_401_before_the_body_is_read(client: TestClient, problem):
    response = await client.with_headers(Authorization="Bearer x").post(THINGS, content=b"{")
    problem(response, 401, "unauthenticated")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_missing_scope_is_403(client: TestClient, problem):
    response = await client.as_("agent", scopes="things:read").post(THINGS, json={"text": "a"})
    found = problem(response, 403, "scope_missing")
    assert found["required_scopes"] == ["things:write"]
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("scopes", "status"),
    [("admin:*", 200), ("admin:dead-letters", 200), ("admin:other", 403), ("*", 403), ("admins:*", 403), ("", 403)],
)
async def test_families_of_scopes(client: TestClient, scopes: str, status: int):
    response = await client.as_("administrator", scopes=scopes).get(ADMINISTERED)
    assert response.status_code == status


async def test_scopes_as_a_list(issuer: Issuer):
    header = f"Bearer {signed(scope=None, scp=['a:b', 'c:d'], roles=['agent', 3], tasks=['claims'])}"
    principal = await issuer.authenticator().authenticate(header)
    assert (principal.scopes, principal.roles, principal.tasks) == ({"a:b", "c:d"}, {"agent"}, {"claims"})


async def test_optional_caller_of_a_public_route(client: TestClient, problem):
    path = "/kit-door/v1/whoami"
    assert (await client.anonymous.get(path)).json() == {"subject": None}
    assert (await client.as_("agent").get(path)).json() == {"subject": "agent-1"}
    problem(await client.with_headers(Authorization="Bearer x").get(path), 401, "unauthenticated")


async def test_whose_case_it_is(client: TestClient, problem):
    mine, other = uuid4(), uuid4()
    writer = client.as_("supervisor", scopes="things:write")
    body = {"text": "a", "journey_id": str(mine)}
    location = (await writer.post(THINGS, json=body, headers={"Idempotency-Key": "k"})).headers["location"]
    read = {"scopes": "things:read"}
    for allowed in (
        client.as_customer(mine, **read),
        client.as_agent(**read),
        client.as_agent(tasks=["helpdesk", "claims"], **read),
        client.as_supervisor(**read),
        client.as_administrator(**read),
    ):
        assert (await allowed.get(location)).status_code == 200
    for refused in (
        client.as_customer(other, **read),
        client.as_("customer", **read),
        client.as_agent(tasks=["claims"], **read),
        client.as_agent(tasks=[], **read),
        client.as_("partner", **read),
        client.as_("nobody", **read),
    ):
        problem(await refused.get(location), 404, "thing_not_found")


async def test_a_customer_sees_what_the_same_person_said_elsewhere(client: TestClient, begin):
    from anliegen.kit import links

    mine, other = uuid4(), uuid4()
    writer = client.as_("supervisor", scopes="things:write")
    body = {"text": "a", "journey_id": str(mine)}
    location = (await writer.post(THINGS, json=body, headers={"Idempotency-Key": "k"})).headers["location"]
    customer = client.as_customer(other, scopes="things:read")
    assert (await customer.get(location)).status_code == 404
    async with begin() as tx:
        await links.record_merge(tx.connection, link_id=uuid4(), a=mine, b=other, made_at=tx.now)
    assert (await customer.get(location)).status_code == 200


def refused_service(build) -> str:
    router = APIRouter(prefix="/odd/v1")
    build(router)
    service = Service(name="odd", title="", description="", routers=(router,), handlers=Handlers("odd"))
    with pytest.raises(RouteRefused) as refusal:
        create_app(service, settings(), public_routes={"GET /odd/v1/listed": "1/minute"})
    return str(refusal.value)


def test_a_route_that_says_nothing_keeps_the_service_from_starting():
    def build(router):
        @router.get("/x", name="get_x")
        async def get_x() -> None: ...

    assert "get_x says neither" in refused_service(build)


def test_a_public_route_that_is_not_in_the_list():
    def build(router):
        @router.get("/x", name="get_x", dependencies=[public("why not")])
        async def get_x() -> None: ...

    assert "not in the list" in refused_service(build)


def test_a_listed_route_that_does_not_say_so_itself():
    def build(router):
        @router.get("/listed", name="get_x", dependencies=[requires("a:b")])
        async def get_x() -> None: ...

    assert "listed as public" in refused_service(build)


def test_a_route_that_is_both():
    def build(router):
        @router.get("/listed", name="get_x", dependencies=[requires("a:b"), public("x")])
        async def get_x() -> None: ...

    assert "both public and behind a scope" in refused_service(build)


def test_a_route_under_another_services_prefix():
    router = APIRouter(prefix="/even/v1")

    @router.get("/x", name="get_x", dependencies=[requires("a:b")])
    async def get_x() -> None: ...

    service = Service(name="odd", title="", description="", routers=(router,), handlers=Handlers("odd"))
    with pytest.raises(RouteRefused, match="does not begin with /odd/"):
        create_app(service, settings())


def test_a_plain_fastapi_router():
    router = PlainRouter(prefix="/odd/v1")

    @router.get("/x")
    async def get_x() -> None: ...

    service = Service(name="odd", title="", description="", routers=(router,), handlers=Handlers("odd"))
    with pytest.raises(RouteRefused, match="APIRouter"):
        create_app(service, settings())


def test_an_idempotent_route_without_a_transaction():
    def build(router):
        @router.post("/x", name="post_x", dependencies=[requires("a:b"), idempotent])
        async def post_x() -> None: ...

    router = APIRouter(prefix="/odd/v1")
    with pytest.raises(RouteRefused, match="takes a Tx"):
        build(router)


def test_a_command_that_could_overwrite_something_unseen():
    def build(router):
        @router.post("/x/{x_id}/name", name="name_x", dependencies=[requires("a:b")])
        async def name_x(x_id: int) -> None: ...

    assert "name_x changes what is there and takes no IfMatch" in refused_service(build)


def test_a_command_that_could_create_twice():
    def build(router):
        @router.post("/x", name="post_x", dependencies=[requires("a:b")])
        async def post_x() -> None: ...

    assert "post_x creates something and is not idempotent" in refused_service(build)


def test_a_command_may_say_why_it_needs_no_condition():
    router = APIRouter(prefix="/odd/v1")

    @router.post("/searches", name="search_x", dependencies=[requires("a:b"), unconditional("it only reads")])
    async def search_x() -> None: ...

    service = Service(name="odd", title="", description="", routers=(router,), handlers=Handlers("odd"))
    assert create_app(service, settings())


def test_a_router_can_say_it_for_all_its_routes():
    router = APIRouter(prefix="/odd/v1", dependencies=[requires("a:b")])

    @router.get("/x", name="get_x", dependencies=[requires("c:d")])
    async def get_x(tx: Tx) -> None: ...

    assert router.routes[0].rules.scopes == ("a:b", "c:d")


def test_test_tokens_are_real(issuer: Issuer):
    assert token("agent").count(".") == 2
