"""What intake is told by its environment: `ANLIEGEN_INTAKE_…`."""

import re
from typing import Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from anliegen.events.partners import partner_classes
from anliegen.kit import Settings

from .domain.partners import Partner

PARTNER_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Account(BaseModel):
    """Our side of a channel: a mailbox, or a WhatsApp number by its phone number id."""

    address: str = ""
    """The mail address that replies are sent from; empty: the account's own name, or the general one."""
    name: str = ""
    """The name beside the address."""
    language: str = ""
    """ISO 639-1, for customers whose language is not known; empty: the general one."""
    region: str = ""
    """ISO 3166-1, for phone numbers that are written without a country; empty: the general one."""


class IntakeSettings(Settings):
    """Intake's own settings."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    """Refuse to send where the server does not offer encryption."""
    smtp_connections: int = Field(default=32, ge=1, le=200)
    """Conversations with the mail server at once: some providers take few, Postfix takes 50 of one client."""
    mail_from: str = "service@anliegen.example"
    """The address that replies are sent from where the account has none of its own."""
    mail_from_name: str = "Kundenservice"
    mail_accounts: dict[str, Account] = Field(default_factory=dict)
    """By the account's name in the door's path; a mailbox that is not named here uses the general settings."""
    mail_authserv_id: str = ""
    """The name our own mail server puts into `Authentication-Results`; only its verdicts are believed."""
    email_door_secret: SecretStr = SecretStr("")
    """Signs what comes in by the e-mail door. Empty: the door is closed."""
    email_door_secret_before: SecretStr = SecretStr("")
    """The secret that held before, while it is being changed."""
    whatsapp_api_url: str = "https://graph.facebook.com/v23.0"
    whatsapp_app_secret: SecretStr = SecretStr("")
    """Signs the provider's webhooks. Empty: the door is closed."""
    whatsapp_verify_token: SecretStr = SecretStr("")
    whatsapp_access_token: SecretStr = SecretStr("")
    whatsapp_media_hosts: tuple[str, ...] = ("lookaside.fbsbx.com",)
    """Hosts beside the API's own that files are fetched from: our token is shown to nobody else."""
    whatsapp_accounts: dict[str, Account] = Field(default_factory=dict)
    """By phone number id."""
    whatsapp_templates: dict[str, str] = Field(default_factory=dict)
    """Our template key → the name of the template approved by the provider, for texts outside the 24-hour window."""
    default_region: str = Field(default="DE", pattern="^[A-Z]{2}$")
    default_language: str = Field(default="de", pattern="^(de|en|fr|it)$")
    most_attachments: int = Field(default=50, ge=0)
    largest_attachment: int = Field(default=20_000_000, ge=0)
    """Bytes."""
    largest_mail: int = Field(default=20_000_000, ge=0)
    """Bytes of the files that a mail brings; with more, its text says where they are."""
    documents_open_days: int = Field(default=90, ge=1)
    """How long the signed address of a file that went with words opens it."""
    send_attempts: int = Field(default=8, ge=1)
    """After so many failures a reply is given up, and a person is told."""

    partners: dict[str, Partner] = Field(default_factory=dict)
    """By the partner's name, which stands in the path of its door and in the name of its topic."""
    remember_partner_events_days: int = Field(default=400, ge=30)
    """How long an event of a partner is known by its source and id; sent again later, it would be taken again."""

    @model_validator(mode="after")
    def _keep_partners_apart(self) -> Self:
        seen: dict[tuple[str, str], str] = {}
        known = {"*", *partner_classes()}
        for name, partner in self.partners.items():
            if not PARTNER_NAME.fullmatch(name):
                raise ValueError(f"partners: {name!r} is not a name of small letters, digits and hyphens")
            if unknown := sorted(partner.types - known):
                raise ValueError(f"partners: {name} may tell {unknown[0]}, which is no type; there are {sorted(known)}")
            own = {("source", source) for source in partner.sources} | {("subject", s) for s in partner.subjects}
            for place in sorted(own):
                if seen.setdefault(place, name) != name:
                    raise ValueError(f"partners: {seen[place]} and {name} have the {place[0]} {place[1]} in common")
        return self

    def account(self, channel: str, name: str) -> Account:
        """An account with the general settings filled in."""
        own = (self.whatsapp_accounts if channel == "whatsapp" else self.mail_accounts).get(name, Account())
        address = own.address or (name if channel == "email" and "@" in name else self.mail_from)
        return Account(
            address=address,
            name=own.name or self.mail_from_name,
            language=own.language or self.default_language,
            region=own.region or self.default_region,
        )

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address we send from: mail from them is our own and is never answered."""
        named = {account.address or name for name, account in self.mail_accounts.items()}
        return frozenset(address.lower() for address in {self.mail_from, *named} if "@" in address)
