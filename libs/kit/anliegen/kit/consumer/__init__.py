"""The read side: position, inbox, effects, announcements and parked failures commit together."""
