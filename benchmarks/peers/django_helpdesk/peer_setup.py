"""Makes django-helpdesk's tables, one queue, one member of staff, and prints that person's API token."""

import logging
import os

import django

logging.disable(logging.CRITICAL)
os.environ["DJANGO_SETTINGS_MODULE"] = "peer_settings"
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - only after the setup
from django.core.management import call_command  # noqa: E402
from helpdesk.models import Queue  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

call_command("migrate", verbosity=0, interactive=False)
staff, _ = get_user_model().objects.get_or_create(username="agent", is_staff=True, is_superuser=True)
queue, _ = Queue.objects.get_or_create(slug="service", title="Service", email_address="service@helpdesk.example")
token, _ = Token.objects.get_or_create(user=staff)
print(f"{token.key} {queue.pk}")
