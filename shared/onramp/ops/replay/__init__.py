"""Telling consumers again: from the bus's archive to one rule, or from the table to all."""
