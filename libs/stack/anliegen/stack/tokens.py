"""The development issuer's key and the tokens it signs, which services accept in the embedded stack and in tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anliegen.stack.errors import StackError
from anliegen.stack.home import write_private

AUDIENCE = "anliegen"
ALGORITHM = "ES256"
LIFETIME = 8 * 3600  # seconds; a working day


@dataclass(frozen=True)
class Issuer:
    """An OpenID Connect issuer of one stack: its address and the file that keeps its key (a JWK, mode 0600)."""

    address: str
    key_file: Path

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set with the public part of the key."""
        public = {name: value for name, value in self._key().items() if name != "d"}
        return {"keys": [public]}

    def discovery(self) -> dict[str, Any]:
        """The discovery document."""
        from anliegen.kit.scopes import SCOPES  # the kit is 22 MB, which the process that only shows mail does not need

        return {
            "issuer": self.address,
            "jwks_uri": f"{self.address}/jwks.json",
            "token_endpoint": f"{self.address}/token",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": sorted(SCOPES),
        }

    def token(
        self,
        role: str,
        *,
        scopes: Iterable[str] = (),
        tasks: Iterable[str] = (),
        journey_id: str | None = None,
        subject: str | None = None,
        tier: int | None = None,
        lifetime: int = LIFETIME,
    ) -> str:
        """A signed bearer token of `lifetime` seconds for a role; without scopes those usual for the role.

        `tasks` limits an agent to some tasks, `tier` says how far an agent was trained (3 is the top staff, who may
        decide more), `journey_id` names the one journey a customer may see. Raises StackError for an unknown role.
        """
        from joserfc import jwk, jwt

        from anliegen.kit.scopes import ROLES

        if role not in ROLES:
            raise StackError(f"There is no role {role!r}. Roles: {', '.join(ROLES)}.")
        key = self._key()
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.address,
            "sub": subject or f"{role}@development",
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": str(uuid.uuid4()),
            "scope": " ".join(tuple(scopes) or ROLES[role]),
            "roles": [role, *([f"tier_{tier}"] if tier else [])],
            "anliegen_development": True,
        }
        if limited := list(tasks):
            claims["tasks"] = limited
        if journey_id:
            claims["journey_id"] = journey_id
        header = {"alg": ALGORITHM, "kid": key["kid"], "typ": "JWT"}
        return jwt.encode(header, claims, jwk.import_key(key), algorithms=[ALGORITHM])

    def _key(self) -> dict[str, Any]:
        try:
            key: dict[str, Any] = json.loads(self.key_file.read_text())
        except FileNotFoundError:
            return self.make_key()
        return key

    def make_key(self) -> dict[str, Any]:
        """Make a new key and keep it; tokens signed with the last one are worth nothing from then on."""
        from joserfc.jwk import ECKey

        generated = ECKey.generate_key("P-256", private=True)
        key = {**generated.as_dict(private=True), "kid": generated.thumbprint(), "use": "sig", "alg": ALGORITHM}
        write_private(self.key_file, json.dumps(key, indent=2) + "\n")
        return key
