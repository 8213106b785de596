"""The stories of docs/stories, each recorded on a fresh local stack: `python -m scripts.stories [NAME ...]`.

A page contains the output of the commands. A test records each story again and fails if the page differs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from scripts.stories.attach_and_detach import attach_and_detach
from scripts.stories.backfill import backfill
from scripts.stories.recorder import FOLDER, Recorder
from scripts.stories.revoked_key import revoked_key
from scripts.stories.twelve_faults import twelve_faults
from scripts.stories.two_causes import two_causes
from scripts.stories.two_operators import two_operators

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from tests.conftest import QUICK
from tests.deployed import DeployedPipeline
from tests.ops.existing_pool import NAME, stack_for_a_pool
from tests.ops.faulty_stack import healthy_stack

UPDATE = "run `python -m scripts.stories` and review the diff"


@dataclass(frozen=True)
class Story:
    play: Callable[[Recorder], None]
    stack: Callable[[], AbstractContextManager[LocalStack]] = LocalStack.start
    stack_name: str = STACK_NAME

    def record(self, stack: LocalStack) -> Recorder:
        recorder = Recorder(DeployedPipeline(stack), self.stack_name)
        self.play(recorder)
        return recorder


STORIES = {
    "two-causes": Story(two_causes),
    "revoked-key": Story(revoked_key),
    "two-operators": Story(two_operators),
    "attach-and-detach": Story(attach_and_detach, stack_for_a_pool, NAME),
    "backfill": Story(backfill, partial(LocalStack.start, parameters=QUICK)),
    "twelve-faults": Story(twelve_faults, healthy_stack),
}


def page(name: str) -> str:
    """The committed page."""
    return (FOLDER / f"{name}.md").read_text()


def write(name: str) -> None:
    story = STORIES[name]
    with story.stack() as stack:
        (FOLDER / f"{name}.md").write_text(story.record(stack).markdown())
