"""Delivers UserSignedUp again: from the event bus's archive to one rule, or from the `Users` table to every rule."""
