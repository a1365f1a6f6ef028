"""What belongs to others in production: a mail server, an identity provider, the providers of channels."""
