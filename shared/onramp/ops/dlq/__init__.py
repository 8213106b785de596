"""The dead-letter queues: list the letters, redrive them, export them, drop them.

filters.py        which letters a command selects; options.py declares them for the command line
scan.py           reads the queues and makes the plan of a command; groups.py counts letters by cause
redrive.py        sends letters to the provisioning queue again: flip, send, confirm, delete
canary_stages.py  one user, then ten, then the rest; verify.py checks the users after each stage
"""
