"""Which commands a frame answers: decided again, they give its events."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from agent_runtime_framework.actors import (
    AskModel,
    CancelTurn,
    Command,
    EndTurn,
    EnterJourney,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Mailbox,
    Open,
    Policy,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    RunTool,
    SayToAgent,
    Verdict,
    settle,
)
from agent_runtime_framework.actors.replay import recorded
from agent_runtime_framework.events import ConversationId, Effect, Frame, KnownEvent, decode_frame, encode_frame
from agent_runtime_framework.projections import Call, Conversation, OwedModelCall, OwedToolCall, initial, outstanding

OPEN = Open(agent="shop", journey_hash="h", state={"step": b'"a"', "n": b"0"}, step="a", history=({"role": "user"},))
SAY = SayToAgent(id="m-1", agent="shop", text="tea", metadata={"who": "Ada"})
AGAIN = SayToAgent(id="m-2", agent="shop", text="more")
TOOLS = ("once", "idempotent", "read", "terminal", "raises")


class Script:
    """Is a journey whose tools are named for their effect class; `raises` cannot be judged."""

    mailbox: Mailbox = "queue"

    def revise(self, conversation: Conversation) -> None:
        return None

    def policy(self, conversation: Conversation) -> Policy:
        return Policy(max_rounds=3, terminal_tools=frozenset({"terminal"}))

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        if conversation.step == "broken":
            raise LookupError("no prompt")
        if conversation.step == "over":
            return EndTurn(reason="closing")
        tools = ",".join(f'{{"type":"function","function":{{"name":"{name}"}}}}' for name in TOOLS)
        return AskModel(prompt=f"You are in {conversation.step}.", tools=f"[{tools}]", effects={"read": "read"})

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        match call.name:
            case "raises":
                raise SystemExit(3)
            case "once" | "idempotent" | "read" as effect:
                return RunTool(effect=effect)
            case _ if call.arguments.get("bad"):
                return RefuseTool(kind="invalid", content="bad")
            case _:
                return RunTool(effect="once")


class Log:
    """Takes commands one after another, and checks of each frame that it says which they were."""

    def __init__(self, journey: Script | None = None) -> None:
        self.journey = Script() if journey is None else journey
        self.now: Conversation = initial(ConversationId("c-1"))
        self.answered: list[Command] = []

    def take(self, *commands: Command, asks: bool = True) -> tuple[KnownEvent, ...]:
        settled = settle(self.now, self.journey if asks else None, *commands)
        if not settled.events:
            return ()
        after = settled.conversation
        frame = Frame(
            first=self.now.version + 1,
            time=0,
            writer="w",
            agent=after.agent,
            command=getattr(commands[-1], "id", ""),
            events=settled.events,
        )
        frame = decode_frame(encode_frame(frame))  # as a log gives it back
        known = recorded(self.now, frame)
        assert known is not None
        again = settle(self.now, self.journey if known.asks else None, *known.commands)
        assert again.events == frame.events
        assert again.conversation == after
        self.answered = [*known.commands]
        self.now = after
        return settled.events

    def begin(self) -> None:
        self.take(OPEN, SAY)

    def answer(self, *names: str, text: str = "", **arguments: Any) -> None:
        calls = [{"id": f"p-{name}", "function": {"name": name, "arguments": arguments}} for name in names]
        message = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}
        self.take(RecordAnswer(request=self.request, message=message, usage={"total_tokens": 3}, latency_ms=5))

    @property
    def request(self) -> int:
        owed = outstanding(self.now)
        return owed.request.version if isinstance(owed, OwedModelCall) else 0

    @property
    def call(self) -> dict[str, Any]:
        owed = outstanding(self.now)
        assert isinstance(owed, OwedToolCall)
        return {"answer": owed.answer, "index": owed.call.index, "attempt": owed.running.attempt}

    def returns(self, *, step: str = "", enters: EnterJourney | None = None, **fields: bytes) -> None:
        state = {**self.now.state, **fields}
        step = step or self.now.step
        self.take(RecordToolReturn(**self.call, content="ok", state=state, step=step, latency_ms=7, enters=enters))


def at_work(*names: str) -> Log:
    log = Log()
    log.begin()
    log.answer(*names)
    return log


def kinds(commands: Sequence[Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


def test_a_conversation_begins_with_two_commands() -> None:
    log = Log()
    log.begin()

    assert log.answered == [OPEN, SAY]


def test_a_turn_without_tools() -> None:
    log = Log()
    log.begin()
    log.answer(text="Tea it is.")
    log.take(AGAIN)

    assert log.answered == [AGAIN]
    assert log.now.turns == 2


def test_calls_of_one_answer_return_one_after_another_with_what_they_changed() -> None:
    log = at_work("once", "idempotent", "read")
    log.returns(n=b"1", more=b"[1]")
    log.returns(step="b", n=b"2")
    log.take(RecordToolReturn(**log.call, content="gone", state={"step": b'"b"'}, step="b"))

    assert log.now.state == {"step": b'"b"'}
    assert isinstance(outstanding(log.now), OwedModelCall)


def test_calls_that_are_refused_between_those_that_run() -> None:
    log = at_work("nobody", "once", "", "terminal")
    log.returns()
    log.returns(step="over")

    assert log.now.turn is None


def test_a_call_that_failed_and_the_next_that_runs() -> None:
    log = at_work("once", "read")
    log.take(RecordToolFailure(**log.call, kind="timeout", content="too late", error="TimeoutError", latency_ms=9))

    assert kinds(log.answered) == ["RecordToolFailure"]
    assert isinstance(outstanding(log.now), OwedToolCall)


def test_a_failure_that_ends_the_turn_as_in_debug() -> None:
    log = at_work("once", "read", "read")
    log.take(RecordToolFailure(**log.call, kind="error", content="it raises", error="ValueError", fatal=True))

    assert log.now.ended is not None
    assert log.now.ended.reason == "tool_raised"


def test_a_model_that_fails_is_asked_again_until_it_fails_for_good() -> None:
    log = Log()
    log.begin()
    log.take(RecordModelFailure(request=log.request, kind="rate_limited", error="slow down", retry_at=5, latency_ms=1))
    log.take(RecordModelFailure(request=log.request, kind="unreachable", error="gone", retry_at=9))
    log.take(RecordModelFailure(request=log.request, kind="refused", error="never"))

    assert log.now.ended is not None
    assert log.now.ended.reason == "model_refused"


def test_a_cancel_with_a_call_that_runs_and_others_that_wait() -> None:
    effects: tuple[Effect, ...] = ("once", "idempotent", "read")
    for effect in effects:
        log = at_work(effect, "read")
        log.take(CancelTurn(id="x-1", agent="shop", reason="enough"))
        assert log.answered == [CancelTurn(id="x-1", agent="shop", reason="enough")]


def test_a_cancel_where_no_turn_is_in_progress_is_refused() -> None:
    log = Log()
    log.begin()
    log.answer(text="Tea.")
    log.take(CancelTurn(id="x-1", agent="shop"))

    assert kinds(log.answered) == ["RefuseCommand"]


def test_a_message_that_interrupts_a_model_call_or_a_tool() -> None:
    waiting = Log()
    waiting.begin()
    for log in (waiting, at_work("once", "read"), at_work("read")):
        log.take(InterruptTurn(AGAIN))
        assert log.answered == [InterruptTurn(AGAIN)]


def test_a_turn_that_is_halted_before_the_model_or_a_tool() -> None:
    waiting = Log()
    waiting.begin()
    for log in (waiting, at_work("once", "read")):
        owed = outstanding(log.now)
        assert owed is not None
        log.take(HaltTurn(owed=owed.id, reason="halted"))
        assert log.now.ended is not None


def test_a_turn_that_other_lives_go_on_with() -> None:
    waiting = Log()
    waiting.begin()
    waiting.take(ResumeTurn())
    waiting.answer("idempotent", "once")
    waiting.take(ResumeTurn())
    waiting.returns()
    waiting.take(ResumeTurn())  # the once tool is in doubt, and the model is asked again
    assert waiting.answered == [ResumeTurn()]
    waiting.take(ResumeTurn())  # one too many
    assert waiting.now.ended is not None
    assert waiting.now.ended.reason == "poison"


def test_a_message_that_is_refused_before_anything_began_and_after() -> None:
    log = Log()
    log.take(RefuseCommand(id="m-0", reason="the agent could not begin"))
    log.take(OPEN, SAY)
    log.take(SayToAgent(id="m-3", agent="shop", text="and?"))
    log.take(SayToAgent(id="m-4", agent="other", text="hi"))

    assert kinds(log.answered) == ["RefuseCommand"]


def test_a_turn_of_which_no_frame_could_hold_what_came() -> None:
    log = at_work("once", "read")
    failure = FailTurn(reason="not_storable", error="TooLarge: much")
    log.take(RecordToolReturn(**log.call, content="ok", state=dict(log.now.state), step="a"), failure, asks=False)
    alone = Log()
    alone.begin()
    alone.take(failure, asks=False)

    assert kinds(log.answered) == ["RecordToolReturn", "FailTurn"]
    assert alone.answered == [failure]


def test_an_answer_and_a_failed_call_of_which_no_frame_could_hold_what_follows() -> None:
    failure = FailTurn(reason="not_storable", error="TooLarge: much")
    asked = Log()
    asked.begin()
    answer = RecordAnswer(request=asked.request, message={"role": "assistant", "tool_calls": [{"name": "once"}]})
    asked.take(answer, failure, asks=False)
    failed = at_work("once", "read")
    failed.take(RecordToolFailure(**failed.call, kind="error", content="no"), failure, asks=False)

    assert kinds(asked.answered) == ["RecordAnswer", "FailTurn"]
    assert kinds(failed.answered) == ["RecordToolFailure", "FailTurn"]


def test_author_code_that_raises_wherever_it_is_asked() -> None:
    prompt = at_work("once", "read")
    prompt.returns()
    prompt.returns(step="broken")
    assert prompt.now.ended is not None
    assert prompt.now.ended.reason == "author_error"
    judged = at_work("read", "raises", "once")
    judged.returns()
    assert judged.now.ended is not None
    assert "SystemExit" in judged.now.ended.error
    first = Log()
    first.take(Open(agent="shop", journey_hash="h", state={}, step="broken"), SAY)
    assert first.now.ended is not None


def test_a_journey_that_is_entered_and_entered_again() -> None:
    log = at_work("read", "read")
    log.returns(enters=EnterJourney(journey="quote", journey_hash="q", state={"v": b"1"}, step="ask"))
    log.answer("read")
    log.returns(enters=EnterJourney(journey="shop", journey_hash="h"))
    assert (log.now.journey, log.now.step) == ("shop", "a")
    log.answer("read")
    log.returns(enters=EnterJourney(journey="shop", state={"v": b"1"}))  # where it is already
    log.answer("read")
    log.returns(enters=EnterJourney(journey="quote", journey_hash="q", state={"v": b"2"}, step="ask"))

    assert log.now.state == {"v": b"2"}


def test_events_that_answer_no_command() -> None:
    from agent_runtime_framework.events import ConversationErased, StateChanged, UnknownEvent

    before = at_work("read").now
    for event in (ConversationErased(), StateChanged(), UnknownEvent(tag="later", raw=b"{}")):
        frame = Frame(first=before.version + 1, time=0, writer="w", agent="shop", events=(event,))
        assert recorded(before, frame) is None
    assert recorded(before, Frame(first=9, time=0, writer="w", agent="shop")) is None


NAMES = st.lists(st.sampled_from([*TOOLS, "nobody", ""]), max_size=4)
STEPS = st.sampled_from(["a", "b", "over", "broken"])
DRAWN = st.tuples(st.integers(0, 12), NAMES, STEPS, st.booleans())


def asked_by_people(log: Log, number: int, kind: int, flag: bool) -> None:
    match kind:
        case 0:
            log.take(CancelTurn(id=f"x-{number}", agent="shop" if flag else "other"))
        case 1:
            log.take(InterruptTurn(SayToAgent(id=f"m-{number + 5}", agent="shop", text="tea")))
        case 2:
            log.take(ResumeTurn())
        case 3:
            log.take(RefuseCommand(id=f"r-{number}", reason="no"))
        case 4:
            log.take(FailTurn(reason="not_storable", error="much"), asks=False)
        case _:
            log.take(SayToAgent(id=f"m-{number + 5}", agent="shop", text="tea"))


def came_of_effects(log: Log, names: list[str], kind: int, step: str, flag: bool) -> None:
    owed = outstanding(log.now)
    match kind:
        case 5 if owed is not None:
            log.take(HaltTurn(owed=owed.id, reason="halted"))
        case 6 if isinstance(owed, OwedModelCall):
            log.take(RecordModelFailure(request=log.request, kind="k", error="e", retry_at=3 if flag else None))
        case 6 if isinstance(owed, OwedToolCall):
            log.take(RecordToolFailure(**log.call, kind="error", content="no", fatal=flag))
        case 7 if isinstance(owed, OwedToolCall):
            to, state = "quote" if step == "a" else "shop", {"v": b"1"} if flag else None
            log.returns(enters=EnterJourney(journey=to, state=state, step="b"))
        case _ if isinstance(owed, OwedModelCall):
            log.answer(*names, bad=flag)
        case _ if isinstance(owed, OwedToolCall):
            log.returns(step=step, n=str(len(log.now.handled)).encode())
        case _:
            pass


@settings(deadline=None)
@for_all(st.lists(DRAWN, max_size=25))
def test_whatever_is_commanded_each_frame_says_what_it_was(drawn: list[tuple[int, list[str], str, bool]]) -> None:
    log = Log()
    log.begin()
    for number, (kind, names, step, flag) in enumerate(drawn):
        if kind < 5 or log.now.turn is None:
            asked_by_people(log, number, kind, flag)
        else:
            came_of_effects(log, names, kind, step, flag)
