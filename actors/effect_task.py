"""The task that performs what a conversation owes, and what that came to, however it ended."""

import asyncio
import logging

from ..projections import Conversation, Owed
from .commands import HaltTurn, Outcome
from .life import Effects
from .outcomes import broken
from .sizes import described

logger = logging.getLogger("agent_runtime_framework.actors")


class EffectTask(asyncio.Task[None]):
    """Runs an effect, and knows whether that was ended from outside or by author code that cancelled its own task."""

    ended_itself = False

    def cancel(self, msg: object = None) -> bool:
        """Ask it to end."""
        self.ended_itself = self.ended_itself or asyncio.current_task(self.get_loop()) is self
        return super().cancel(msg)


async def performed(effects: Effects, conversation: Conversation, owed: Owed) -> Outcome | HaltTurn:
    """Do what is owed, in an `EffectTask`, and return what it came to; only being ended from outside is none."""
    try:
        return await effects.perform(conversation, owed)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if not isinstance(task, EffectTask) or not task.ended_itself:
            raise
        task.uncancel()
        return broken(owed, f"{described(error)}: it cancelled its own task")
    except Exception as error:
        logger.exception("the effect %s of %s broke", owed.id, conversation.id)
        return broken(owed, described(error))
