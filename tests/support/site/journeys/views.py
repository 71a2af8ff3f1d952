"""The page that talks: the events of a run, one by one, as they come."""

import asyncio
import json
from collections.abc import AsyncIterator

import journeys.agents  # noqa: F401  so that the agent is registered
from django.http import HttpRequest, StreamingHttpResponse
from journeys.runs import begun, performed


async def talk(request: HttpRequest, conversation: str) -> StreamingHttpResponse:
    """Say `text` in a conversation, and stream the run's events."""
    return StreamingHttpResponse(_told(conversation, request.POST["text"]), content_type="text/event-stream")


async def _told(conversation: str, text: str) -> AsyncIterator[bytes]:
    ctx = await begun(conversation, text)
    running = asyncio.create_task(performed(ctx))
    async for event in ctx.heard():
        yield f"data: {json.dumps(event)}\n\n".encode()
    await running
