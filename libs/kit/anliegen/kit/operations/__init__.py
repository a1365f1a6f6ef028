"""What people do by hand when an event could not be handled: look, redrive, discard, try now, set aside.

Every command locks in one order, the same as everybody else's: the dead letter, then the inbox, then the stream of the
key, then the parked key. The consumer enters the inbox before it locks streams, the retry worker locks the stream
before the parked key, and neither ever waits for a dead letter; so nobody waits for anybody in a circle.
"""
