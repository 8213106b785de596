"""Mutation tests of the shipped code: `make mutate`, or `python -m tests.mutation.run --help`.

Each mutant is the shipped code with one small error. If the fast tests pass with it, it is alive: they do not check the
behaviour that it changes.
"""
