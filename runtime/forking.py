"""Forking: a conversation of its own that goes on from what another was at a version.

A fork takes nothing but one frame: its first event names the parent, the version and the hash of the frame there, and
whoever reads it reads what is before the cut in the parent's log.  So it costs the same at the tenth and at the
thousandth turn, and the parent is only read.

A conversation is cut where a frame ends and no turn is in progress, so that nothing is owed.  Where the cut lies in
what the conversation was itself forked from, the parent is the ancestor whose log has the frame: a fork hangs on that.
"""

from msgspec import Struct

from ..events import (
    START,
    TEXT_LIMIT,
    Conflict,
    ConversationId,
    ConversationStarted,
    Edits,
    EventLog,
    Frame,
    Head,
    InvalidInput,
    Lineage,
    NewerRelease,
    Refused,
    TooLarge,
    WriterId,
    no_version,
    not_found,
    not_to_be_had,
)
from ..projections import Conversation, fold, initial

MODEL_LIMIT = 200
"""So many characters the name of a model may have."""


class Forked(Struct, frozen=True, kw_only=True):
    """Is a conversation that was forked.

    Attributes:
        conversation: its id.
        agent: who answers in it, as in its parent.
        parent: the conversation whose log has what is before the cut.
        version: of the parent's last event that the fork has, too.
        turn: how many turns it has from there.
        step: the step that it is in.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return await rt.fork("c-1", as_id="c-2")
    >>> fork = asyncio.run(main())
    >>> fork.conversation, fork.parent, fork.turn, fork.step
    ('c-2', 'c-1', 1, 'welcome')

    """

    conversation: str
    agent: str
    parent: str
    version: int
    turn: int
    step: str


class ParentErased(Refused):
    """Raised when the parent was erased while a fork was cut off: that is stored, and nobody can read it."""


class Cut(Struct, frozen=True):
    """Is where a conversation may be forked: what it is there, where its log is then, and whose log that is."""

    conversation: Conversation
    head: Head
    parent: ConversationId


def edits_of(model: str | None, prompt: str | None) -> Edits | None:
    """Return what is to be otherwise in a fork, None for nothing; where a prompt counts, the cut says.

    Raises:
        InvalidInput: the model or the prompt cannot be taken.

    """
    if model is not None:
        _check_model(model)
    if prompt is not None:
        _check_prompt(prompt)
    return None if model is None and prompt is None else Edits(model=model or "", prompt=prompt)


def _check_model(model: object) -> None:
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        raise InvalidInput(f"the model must be a name, not {model!r:.80}")
    if len(model) > MODEL_LIMIT:
        raise TooLarge(f"the model's name has {len(model)} characters, at most {MODEL_LIMIT} are taken")


def _check_prompt(prompt: object) -> None:
    if not isinstance(prompt, str):
        raise InvalidInput(f"the prompt must be a text, not {type(prompt).__name__}")
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the prompt is not valid Unicode: {error}") from error
    if size > TEXT_LIMIT:
        raise TooLarge(f"the prompt has {size} bytes, at most {TEXT_LIMIT} are taken")


async def find_cut(log: EventLog, conversation: ConversationId, at: int | None) -> Cut:
    """Return the cut at version `at`, or at the head.

    Raises:
        InvalidInput: the version is no number.
        NotFound: there is no such conversation, or no such version of it.
        Refused: it was erased, or it cannot be cut there; the message names the nearest cuts.
        NewerRelease: something before the cut is not known to this release.
        Withheld: its content is sealed, and the key is not here.
        CorruptLog: what is stored does not fit.

    """
    _check_version(at)
    last = await log.last(conversation)
    if last is None:
        raise not_found(conversation)
    if last.frame.status == "erased":
        raise Refused(f"{conversation!r} was erased: there is nothing to fork")
    if at is not None and at < 1:
        raise no_version(conversation, last.head.version, at)
    now, head, before, turn = initial(conversation), START, "", 0
    async for stored in log.read(conversation):
        now = fold(now, [stored.frame])
        if at is None or now.version < at:
            before = _described(now) if _cuttable(now) else before
            head = stored.head
            continue
        turn = turn or stored.frame.turn
        if _cuttable(now):
            if now.version > at:
                raise _no_cut(conversation, at, turn, before, _described(now))
            return Cut(_known(now), stored.head, stored.holder or conversation)
    if at is None and _cuttable(now):
        return Cut(_known(now), head, conversation)
    if at is not None and now.version < at:
        raise no_version(conversation, now.version, at)
    raise _no_cut(conversation, at or now.version, turn or now.turns, before, "")


def _check_version(at: object) -> None:
    if at is not None and (isinstance(at, bool) or not isinstance(at, int)):
        raise InvalidInput(f"the version must be a number, not {at!r:.80}")


def _described(cut: Conversation) -> str:
    return f"{cut.version} (after turn {cut.turns})"


def _cuttable(now: Conversation) -> bool:
    return bool(now.agent) and now.turn is None and now.spoken is None and not now.erased


def _known(now: Conversation) -> Conversation:
    if now.withheld:
        raise not_to_be_had(f"the content of {now.id!r}")
    if now.unknown:
        tags = ", ".join(sorted(set(now.unknown)))
        raise NewerRelease(f"{now.id!r} holds events of a newer release ({tags}) before the cut: fork it with that one")
    return now


def _no_cut(conversation: str, at: int, turn: int, before: str, after: str) -> Refused:
    nearest = " and ".join(cut for cut in (before, after) if cut)
    cuts = f"the nearest cut{'s are' if before and after else ' is'} {nearest}" if nearest else "there is no cut yet"
    where = f"inside turn {turn}" if turn else "before its first turn"
    return Refused(f"{conversation!r} cannot be cut at version {at}, which is {where}: {cuts}")


async def cut_off(
    log: EventLog, cut: Cut, as_id: ConversationId, edits: Edits | None, *, time: int, writer: WriterId
) -> Forked:
    """Begin a conversation at a cut.

    Raises:
        Conflict: there is a conversation of that id; nothing was stored.
        ParentErased: the parent was erased meanwhile; the fork is stored, and is to be erased again.
        Unavailable: the fork is not known to be stored.

    """
    now, head = cut.conversation, Head(cut.head.version, 0, cut.head.hash)
    if edits is not None and edits.prompt is not None:
        edits = Edits(model=edits.model, prompt=edits.prompt, journey=now.journey, step=now.step)
    began = ConversationStarted(
        agent=now.agent,
        journey_hash=now.journey_hash,
        state={},
        lineage=Lineage(parent=cut.parent, version=head.version, frame=head.hash),
        edits=edits,
    )
    frame = Frame(
        first=head.version + 1,
        time=time,
        writer=writer,
        agent=now.agent,
        turn=now.turns,
        step=now.step,
        prev=head.hash,
        parent=cut.parent,
        events=(began,),
    )
    try:
        await log.append(as_id, frame, head)
    except Conflict as error:
        raise taken(as_id) from error
    last = await log.last(cut.parent)
    if last is None or last.frame.status == "erased":  # whoever erased it may not have met the fork
        raise ParentErased(f"{cut.parent!r} was erased while {as_id!r} was cut off: that was erased again")
    return Forked(
        conversation=as_id, agent=now.agent, parent=cut.parent, version=head.version, turn=now.turns, step=now.step
    )


def taken(as_id: str) -> Conflict:
    """Return the error for an id under which something is recorded already."""
    return Conflict(f"there is a conversation {as_id!r} already: a fork needs an id of its own")
