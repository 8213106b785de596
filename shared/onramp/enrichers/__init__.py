"""The steps of provisioning, one file each, run by `usecases/steps.py`.

A team adds its own here and lists it in `wiring/enrich_profile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from onramp.domain.errors import Skipped
from onramp.domain.users import Profile, User


class Enricher(Protocol):
    @property
    def name(self) -> str:
        """The step's name in step records and dead letters. Do not change it once it is deployed."""

    def enrich(self, user: User, profile: Profile) -> Mapping[str, str]:
        """Returns profile attributes, each saved only where it is absent.

        Must be safe to repeat: queues deliver more than once and processes die at any point. Raises RetryableError,
        PermanentError, or Skipped where it is not configured.
        """


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """A provider without a key: its step is `skipped`, the user becomes ready without it."""

    name: str

    def enrich(self, user: User, profile: Profile) -> Mapping[str, str]:
        raise Skipped
