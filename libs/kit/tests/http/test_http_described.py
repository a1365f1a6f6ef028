"""Health, and a description of the interface that says what is true."""

import mimetypes
import re
import time
from pathlib import Path

from anliegen.kit.http.app import create_app
from anliegen.kit.testing.clients import TestClient

PREFIX = "/kit-door/v1"


async def test_probes_tell_life_and_readiness_apart(app, client: TestClient, context, problem):
    for probe in ("/livez", "/readyz", "/startupz"):
        response = await client.anonymous.get(probe)
        assert (response.status_code, response.json()) == (200, {"status": "ok"}), response.text
    context.health.draining = True
    problem(await client.anonymous.get("/readyz"), 503, "not_ready")
    assert (await client.anonymous.get("/livez")).status_code == 200


async def test_liveness_knows_a_consumer_that_hangs(client: TestClient, context, problem):
    context.health.lag = 5
    context.health.last_progress = time.monotonic() - 61
    found = problem(await client.anonymous.get("/livez"), 503, "not_alive")
    assert "5 records wait" in found["detail"]


async def test_readiness_without_a_database(client: TestClient, context, problem):
    await context.pool.close()
    found = problem(await client.anonymous.get("/readyz"), 503, "not_ready")
    assert "kit-door: the database does not answer" in found["detail"]
    assert (await client.anonymous.get("/livez")).status_code == 200, "liveness never asks the database"


async def test_startup_waits_for_migrations(client: TestClient, context, database, problem):
    from anliegen.kit.database import connect

    async with connect(database.owner_address, application="test") as owner:
        row = await owner.fetchrow("DELETE FROM _pogo_migration WHERE migration_id LIKE '0002%' RETURNING *")
        try:
            problem(await client.anonymous.get("/startupz"), 503, "not_started")
        finally:
            names = ", ".join(row.keys())
            places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await owner.execute(f"INSERT INTO _pogo_migration ({names}) VALUES ({places})", *row.values())
    assert (await client.anonymous.get("/startupz")).status_code == 200
    assert context.health.started


async def test_metrics_name_the_service_and_the_route(client: TestClient):
    await client.anonymous.get(f"{PREFIX}/things")
    await client.anonymous.get("/kit-door/v1/nothing")
    await client.anonymous.request("INVENTED", "/kit-door/v1/nothing")
    text = (await client.anonymous.get("/metrics")).text
    labels = f'{{method="GET",route="{PREFIX}/things",service="kit-door",status="401"}}'
    assert f"http_server_request_duration_seconds_count{labels}" in text
    assert 'route="unmatched"' in text
    assert "INVENTED" not in text
    assert 'http_server_active_requests{service="kit-door"} 1.0' in text


async def test_the_description_says_who_may_call_what(client: TestClient):
    document = (await client.anonymous.get("/openapi.json")).json()
    create = document["paths"][f"{PREFIX}/things"]["post"]
    assert create["operationId"] == "create_thing"
    assert create["security"] == [{"token": ["things:write"]}]
    (key,) = [p for p in create["parameters"] if p["name"] == "Idempotency-Key"]
    assert key["required"] is True
    door = document["paths"][f"{PREFIX}/doors"]["post"]
    assert door["security"] == []
    assert [p["required"] for p in door["parameters"]] == [False]
    rename = document["paths"][f"{PREFIX}/things/{{thing_id}}/name"]["post"]
    (condition,) = [p for p in rename["parameters"] if p["name"] == "If-Match"]
    assert condition["required"] is True
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"4XX", "5XX"} <= set(operation["responses"])
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in str(document)
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


async def test_the_description_lists_every_route_and_no_other(app, client: TestClient):
    document = (await client.anonymous.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = {(m, route.path_format) for route in app.routes if hasattr(route, "rules") for m in route.methods}
    assert described == routes


async def test_docs_ask_no_other_server_for_anything(client: TestClient, problem):
    page = await client.anonymous.get("/docs")
    assert page.status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text), "no other server, and no comment of a script"
    asked = re.findall(r"""(?:src|href)="([^"]*)\"""", page.text)
    assert {Path(one).suffix for one in asked} == {".js", ".css", ".png"}
    for one in asked:
        file = await client.anonymous.get(one)
        assert file.status_code == 200
        assert file.headers["content-type"].partition(";")[0] == mimetypes.guess_type(one)[0]
    bundle = (await client.anonymous.get("/docs/swagger-ui-bundle.js")).text
    assert "SwaggerUIBundle" in bundle
    for other in ("redoc.standalone.js", "..%2fcore.py", "%2e%2e", "x"):
        problem(await client.anonymous.get(f"/docs/{other}"), 404, "path_not_found")


async def test_without_their_files_there_are_no_docs(service, context, monkeypatch):
    from .conftest import PUBLIC

    monkeypatch.setattr("anliegen.kit.http.docs_page.FILES_OF", "nobody_has_installed_this")
    without = create_app(service, context.settings, public_routes=PUBLIC)
    assert not any(getattr(route, "path", "").startswith("/docs") for route in without.routes)


async def test_docs_only_where_nobody_else_can_reach_them(app, client: TestClient, service, context):
    assert (await client.anonymous.get("/docs")).status_code == 200
    changes = {"environment": "production", "oidc_issuer": "https://issuer.test", "oidc_jwks_url": ""}
    settings = context.settings.model_copy(update=changes)
    from .conftest import PUBLIC

    production = create_app(service, settings, public_routes=PUBLIC)
    assert not any(getattr(route, "path", "").startswith("/docs") for route in production.routes)
