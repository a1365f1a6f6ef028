"""WhatsApp: the provider's webhooks."""
