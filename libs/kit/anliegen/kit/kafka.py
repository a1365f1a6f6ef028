"""How this kit talks to Kafka: addresses, security, and the cluster's own id."""

import ssl
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from .settings import Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """What every client of ours says when it connects."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": 20_000,
        # A restarted broker is found again within a fraction of a second.
        "retry_backoff_ms": 100,
        "metadata_max_age_ms": 60_000,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


async def get_cluster_id(settings: Settings) -> str:
    """The id of the cluster: a position is only worth something in the cluster it was read from."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()
