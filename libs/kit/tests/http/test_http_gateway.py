"""Several services in one process: each for itself, described together."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import BaseModel

from anliegen.kit import Handlers, Service, Settings
from anliegen.kit.http import APIRouter, public, requires
from anliegen.kit.http.app import create_app
from anliegen.kit.http.gateway import Gateway
from anliegen.kit.http.merged import merge
from anliegen.kit.http.routing import RouteRefused
from anliegen.kit.testing.clients import jwks_address, token

ORIGIN = "https://app.example.org"


class View(BaseModel):
    """What both call the same."""

    name: str


class Inner(BaseModel):
    view: View


def make(name: str, **options) -> Service:
    router = APIRouter(prefix=f"/{name}/v1", tags=[name])

    @router.get("/things", name="list_things", dependencies=[requires("things:read")])
    async def list_things() -> Inner:
        return Inner(view=View(name=name))

    @router.get("/open", name=f"get_{name}", dependencies=[public("a test")])
    async def get_open() -> View:
        return View(name=name)

    return Service(
        name=name, title=name.title(), description="…", routers=(router,), handlers=Handlers(name), **options
    )


PUBLIC = {f"GET /{name}/v1/open": "100/minute" for name in ("one", "two", "broken")}


class Ground:
    """Opens contexts that need no database, and fails for `broken` as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.entered: list[str] = []
        self.left: list[str] = []
        self.settings = Settings(
            environment="test",
            database_url="postgresql://nowhere/x",
            oidc_issuer="http://issuer.test",
            oidc_jwks_url=jwks_address(),
            cors_origins=[ORIGIN],
        )

    def create(self, service: Service, **options):
        @asynccontextmanager
        async def context():
            if service.name == "broken" and self.failures:
                self.failures -= 1
                raise ConnectionError("not yet")
            self.entered.append(service.name)
            yield None
            self.left.append(service.name)

        return create_app(service, self.settings, context=context, public_routes=PUBLIC, **options)

    def gateway(self, *names: str) -> Gateway:
        return Gateway([make(name) for name in names], create=self.create, origins=[ORIGIN], docs=True)


@pytest.fixture
def ground() -> Ground:
    return Ground()


@asynccontextmanager
async def running(gateway: Gateway):
    async with gateway.lifespan():
        transport = httpx.ASGITransport(app=gateway, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def until_ready(gateway: Gateway, *names: str) -> None:
    async with asyncio.timeout(10):
        while not all(gateway.members[name].ready for name in names):
            await asyncio.sleep(0.01)


async def test_each_request_goes_to_its_service(ground: Ground):
    gateway = ground.gateway("one", "two")
    async with running(gateway) as client:
        await until_ready(gateway, "one", "two")
        for name in ("one", "two"):
            assert (await client.get(f"/{name}/v1/open")).json() == {"name": name}
            headers = {"Authorization": f"Bearer {token('agent', scopes='things:read')}"}
            assert (await client.get(f"/{name}/v1/things", headers=headers)).json() == {"view": {"name": name}}
    assert sorted(ground.entered) == sorted(ground.left) == ["one", "two"]


async def test_one_that_cannot_start_takes_nobody_down_and_comes_back(ground: Ground, problem):
    ground.failures = 1
    gateway = ground.gateway("one", "broken")
    async with running(gateway) as client:
        await until_ready(gateway, "one")
        assert (await client.get("/one/v1/open")).status_code == 200
        response = await client.get("/broken/v1/open", headers={"Origin": ORIGIN})
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "service_unavailable"
        assert response.headers["access-control-allow-origin"] == ORIGIN
        await until_ready(gateway, "broken")
        assert (await client.get("/broken/v1/open")).json() == {"name": "broken"}


async def test_what_belongs_to_nobody_is_a_problem(ground: Ground, problem):
    async with running(ground.gateway("one")) as client:
        problem(await client.get("/three/v1/things"), 404, "path_not_found")
        problem(await client.get("/onee/v1/open"), 404, "path_not_found")
        problem(await client.post("/livez"), 405, "method_not_allowed")


async def test_the_index_says_what_is_here(ground: Ground):
    gateway = ground.gateway("one", "two")
    async with running(gateway) as client:
        await until_ready(gateway, "one", "two")
        index = (await client.get("/")).json()
    assert index["services"]["one"]["path"] == "/one/v1"
    assert index["services"]["two"]["ready"] is True
    assert index["links"]["openapi"] == "/openapi.json"


async def test_one_description_of_all(ground: Ground):
    async with running(ground.gateway("one", "two")) as client:
        document = (await client.get("/openapi.json")).json()
        docs = await client.get("/docs")
    assert docs.status_code == 200
    own = {path for path in document["paths"] if not path.startswith("/{service}/")}
    assert own == {"/one/v1/things", "/one/v1/open", "/two/v1/things", "/two/v1/open"}
    schemas = document["components"]["schemas"]
    own = {name for name in schemas if not name.startswith("EveryService.")}
    assert {"One.View", "Two.View", "One.Inner", "Two.Inner", "Problem"} == own
    assert schemas["Two.Inner"]["properties"]["view"]["$ref"] == "#/components/schemas/Two.View"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) > 4
    references = [text for text in str(document).split("'") if text.startswith("#/components/schemas/")]
    assert all(reference.rpartition("/")[2] in schemas for reference in references)


def test_schemas_are_renamed_wherever_they_are_named():
    name = "#/components/schemas/View"
    schema = {"oneOf": [{"$ref": name}], "discriminator": {"propertyName": "kind", "mapping": {"a": name}}}
    document = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": {"View": {}, "Either": schema}}}
    found = merge([("billing_inquiry", document)], title="", version="")["components"]["schemas"]
    renamed = "#/components/schemas/BillingInquiry.View"
    assert found["BillingInquiry.Either"] == {
        "oneOf": [{"$ref": renamed}],
        "discriminator": {"propertyName": "kind", "mapping": {"a": renamed}},
    }


async def test_probes_speak_for_all(ground: Ground):
    ground.failures = 1000
    gateway = ground.gateway("one", "broken")
    async with running(gateway) as client:
        await until_ready(gateway, "one")
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "broken: not running" in ready.json()["detail"]
        assert (await client.get("/metrics")).text.count("# HELP") > 10


async def test_a_route_nobody_decided_about_stops_everything(ground: Ground):
    service = make("one")

    @service.routers[0].get("/forgotten", name="forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RouteRefused):
        Gateway([service], create=ground.create, origins=[], docs=False)


async def test_only_listed_origins_may_call(ground: Ground):
    gateway = ground.gateway("one")
    async with running(gateway) as client:
        await until_ready(gateway, "one")
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Idempotency-Key"}
        allowed = await client.options("/one/v1/things", headers={"Origin": ORIGIN, **preflight})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
        refused = await client.options("/one/v1/things", headers={"Origin": "https://evil.example", **preflight})
        assert refused.headers["content-type"] == "application/problem+json"
        assert "access-control-allow-origin" not in refused.headers
        answer = await client.get("/one/v1/things", headers={"Origin": ORIGIN})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "ETag" in answer.headers["access-control-expose-headers"]


async def test_the_server_protocol(ground: Ground):
    """A server starts and stops the gateway as any application: nothing of it runs by itself."""
    gateway = ground.gateway("one")
    sent: list[dict] = []
    inbox: asyncio.Queue = asyncio.Queue()
    task = asyncio.create_task(gateway({"type": "lifespan"}, inbox.get, lambda m: _keep(sent, m)))
    await inbox.put({"type": "lifespan.startup"})
    await until_ready(gateway, "one")
    await inbox.put({"type": "lifespan.shutdown"})
    async with asyncio.timeout(5):
        await task
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ground.left == ["one"]


async def _keep(sent: list[dict], message: dict) -> None:
    sent.append(message)
