"""What the code says, which deploy/ is held against: services, their settings, topics and handlers."""

from dataclasses import dataclass
from functools import cached_property

from anliegen.events.topics import PARTNER, TopicSpec, manifest
from anliegen.kit import Settings
from anliegen.kit.service import Service, all_services, load_service
from anliegen.kit.settings import PREFIX


@dataclass(frozen=True)
class Product:
    """The services that are installed."""

    services: dict[str, Service]

    @cached_property
    def topics(self) -> dict[str, dict[str, TopicSpec]]:
        """The topics of production and of development machines, by name."""
        return {cut: {spec.name: spec for spec in manifest(cut)} for cut in ("production", "development")}

    def grants(self, service: Service) -> set[tuple[str, str, str, str]]:
        """What its workers do in Kafka: kind of resource, name, how the name is meant, operation."""
        read = {*service.handlers.topics, *service.topics}
        looks = ("Describe", "DescribeConfigs", "Read")
        wanted = {("topic", name, "literal", operation) for name in read for operation in looks}
        wanted |= {("topic", name, "literal", "Write") for name in service.topics}
        if service.handlers.take_partner_records is not None:
            wanted |= {("topic", PARTNER, "prefix", operation) for operation in looks}
        return wanted | {("group", service.name, "literal", "Read")}

    def variables(self, service: Service | None) -> dict[str, str]:
        """The environment variables a service reads with the field each one sets; of all services where None."""
        if service is None:
            return {name: field for one in self.services.values() for name, field in self.variables(one).items()}
        prefixes = (PREFIX, f"{PREFIX}{service.package.upper()}_")
        return {
            f"{prefix}{field.upper()}": field
            for prefix in prefixes
            for field in service.settings.model_fields
            # A setting of the service's own is told to it alone.
            if prefix != PREFIX or field in Settings.model_fields
        }


def the_product() -> Product:
    """As it is installed."""
    return Product({name: load_service(name) for name in all_services()})
