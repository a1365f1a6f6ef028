"""Helpdesk: general questions, answered and followed until they are settled."""
