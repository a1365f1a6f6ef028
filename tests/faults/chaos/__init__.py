"""The chaos run: steady load over the real doors, faults in an order drawn from a seed, and what is there afterwards.

`plan` draws faults and contacts, `cluster` is the stack behind a proxy of our own, `faults` break it, `load` keeps the
ledger of what was accepted, `evidence` reads what the databases and Kafka hold, and `reconcile` compares the two.
"""
