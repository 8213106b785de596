"""The dead-letter queues, as an operator works with them.

letters.py   a dead letter, whoever put it there
walk.py      everything in the queues once, and given back
filters.py   which of them
groups.py    how many of which cause
redrive.py   back to the provisioning queue: plan, canary, send, confirm, delete
verify.py    what became of whoever was sent
"""
