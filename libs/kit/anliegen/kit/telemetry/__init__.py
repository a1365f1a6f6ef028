"""What a service tells those who run it: logs, traces and metrics, none of them with personal data."""
