import stat
import time
from pathlib import Path

import pytest
from joserfc import jwk, jwt

from anliegen.kit.scopes import ROLES
from anliegen.stack.errors import StackError
from anliegen.stack.tokens import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer("http://127.0.0.1:1/issuer", tmp_path / "key.json")


def _claims(issuer: Issuer, token: str) -> dict[str, object]:
    keys = jwk.KeySet.import_key_set(issuer.public_keys())
    return jwt.decode(token, keys, algorithms=["ES256"]).claims


def test_token_says_who_may_do_what_for_how_long(issuer: Issuer) -> None:
    claims = _claims(issuer, issuer.token("agent", tasks=["claims"], lifetime=60))
    assert claims["iss"] == "http://127.0.0.1:1/issuer"
    assert claims["aud"] == "anliegen"
    assert claims["roles"] == ["agent"]
    assert claims["tasks"] == ["claims"]
    assert _claims(issuer, issuer.token("agent", tier=3, lifetime=60))["roles"] == ["agent", "tier_3"]
    assert str(claims["scope"]).split() == list(ROLES["agent"])
    assert claims["anliegen_development"] is True
    assert abs(int(str(claims["exp"])) - time.time() - 60) < 5
    assert {"iat", "nbf", "jti", "sub"} <= claims.keys()
    assert "journey_id" not in claims


def test_scopes_journey_and_subject_are_as_asked_for(issuer: Issuer) -> None:
    token = issuer.token("customer", scopes=["journeys:read"], journey_id="j", subject="maria")
    claims = _claims(issuer, token)
    assert (claims["scope"], claims["journey_id"], claims["sub"]) == ("journeys:read", "j", "maria")
    assert "tasks" not in claims


def test_every_role_has_scopes_and_only_administrators_administer(issuer: Issuer) -> None:
    for role in ROLES:
        assert _claims(issuer, issuer.token(role))["roles"] == [role]
    assert [role for role, scopes in ROLES.items() if "admin:*" in scopes] == ["administrator"]


def test_unknown_role_is_refused(issuer: Issuer) -> None:
    with pytest.raises(StackError, match="There is no role 'king'"):
        issuer.token("king")


def test_key_stays_private_and_the_same(issuer: Issuer) -> None:
    token = issuer.token("agent")
    again = Issuer(issuer.address, issuer.key_file)
    assert _claims(again, token)["roles"] == ["agent"]
    assert stat.S_IMODE(issuer.key_file.stat().st_mode) == 0o600
    assert "d" not in issuer.public_keys()["keys"][0]
