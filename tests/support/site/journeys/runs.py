"""A run of the project: its context, over the database, and who watches it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django_agent_runtime.runtime.registry import registered
from journeys.models import Event, Message, Run


class Context:
    """Is the context that a runtime is handed."""

    def __init__(self, run: Run, messages: list[dict[str, Any]]) -> None:
        self.run_id = run.pk
        self.conversation_id = run.conversation
        self.input_messages = messages
        self.params: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self._run = run
        self._heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def emit(self, type: str, payload: dict[str, Any]) -> None:  # noqa: A002
        await Event.objects.acreate(run=self._run, type=type, payload=payload)
        self._heard.put_nowait({"type": type, **payload})

    async def emit_user_message(self, text: str) -> None:
        await self.emit("assistant.message", {"content": text})

    async def checkpoint(self, state: dict[str, Any]) -> None:
        await Run.objects.filter(pk=self.run_id).aupdate(checkpoint=state)

    async def get_state(self) -> dict[str, Any] | None:
        found = await Run.objects.aget(pk=self.run_id)
        return found.checkpoint

    def cancelled(self) -> bool:
        return self._run.cancelled

    async def check_cancelled(self) -> bool:
        await self._run.arefresh_from_db(fields=["cancelled"])
        return self._run.cancelled

    async def heard(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each event as it comes, until the run is over."""
        while (event := await self._heard.get()) is not None:
            yield event

    def over(self) -> None:
        """Tell who watches that nothing more comes."""
        self._heard.put_nowait(None)


async def begun(conversation: str, text: str) -> Context:
    """Return the context of a new run, with all that was said before."""
    await Message.objects.acreate(conversation=conversation, said={"role": "user", "content": text})
    said = [message.said async for message in Message.objects.filter(conversation=conversation).order_by("pk")]
    return Context(await Run.objects.acreate(conversation=conversation), said)


async def performed(ctx: Context) -> None:
    """Run the project's agent once, and keep what it gave."""
    try:
        result = await registered["booking"].run(ctx)
        await Run.objects.filter(pk=ctx.run_id).aupdate(output=result.final_output)
        for said in result.final_messages:
            await Message.objects.acreate(conversation=ctx.conversation_id, said=said)
        await ctx.emit("run.completed", {"output": result.final_output, "usage": result.usage})
    except Exception as error:  # noqa: BLE001  as runners do
        told = await registered["booking"].on_error(ctx, error)
        await ctx.emit("run.failed", {"error": str(error), "retriable": told is None})
    finally:
        ctx.over()
