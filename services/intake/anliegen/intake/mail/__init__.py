"""Mail: from bytes that anybody can send to a message that we understand."""
