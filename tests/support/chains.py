"""Chains of frames for tests: building, writing and reading them."""

from agent_runtime_framework.events import (
    START,
    ConversationId,
    EventLog,
    Frame,
    Head,
    Records,
    Stored,
    UserSpoke,
    frame_hash,
)

CHAT = ConversationId("c-1")
OTHER = ConversationId("c-2")


def frame_after(head: Head, *texts: str, writer: str = "w-1") -> Frame:
    events = tuple(UserSpoke(message_id=f"m-{index}", text=text) for index, text in enumerate(texts or ("hello",)))
    return Frame(first=head.version + 1, time=1_000, writer=writer, agent="agent", prev=head.hash, events=events)


async def write(log: EventLog, conversation: ConversationId, count: int, head: Head = START) -> list[Stored]:
    written = []
    for number in range(count):
        written.append(await log.append(conversation, frame_after(head, f"text {number}"), head))
        head = written[-1].head
    return written


async def read(log: EventLog, conversation: ConversationId = CHAT, after: Head = START) -> list[Stored]:
    return [stored async for stored in log.read(conversation, after)]


async def put_raw(records: Records, data: bytes, expected: int, conversation: ConversationId = CHAT) -> int:
    return await records.put(conversation, data, id=frame_hash(data), expected=expected)
