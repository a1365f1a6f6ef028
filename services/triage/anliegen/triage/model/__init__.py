"""What reads contacts by what it learned from messages: the same features for learning and for reading."""
