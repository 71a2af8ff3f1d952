"""The composition root: the one place where all parts meet."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..events import FrameworkError, WriterId
from .agents import JourneyAgent
from .client import Client
from .clock import Clock, SystemClock, new_id
from .credentials import ANONYMOUS, Credentials
from .opening import Opened, Place, opened
from .retry import RetryPolicy
from .sealing import SealConfig, beside_workers
from .substrate import Substrate
from .vault import KeyWrapper
from .worker import Worker


class Runtime(Client):
    """Runs agents over a place where conversations are kept, and talks to them.

    Without `nats` the place is an embedded server in `.arf/`.  Its workers run `concurrency` turns at once, have
    `grace` seconds to finish them when they leave, and keep a conversation in memory for `idle` seconds after somebody
    spoke to it.  With `seal` workers seal where conversations end.  With
    `encrypt`, the content of conversations that begin is sealed, each under a key of its own, which the master key in
    `ARF_MASTER_KEY` wraps, or the `KeyWrapper` that is given.

    >>> import asyncio
    >>> from agent_runtime_framework import Runtime
    >>> from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     agent = OnboardingAgent(ScriptedLLM("Hello! What is your name?"))
    ...     async with Runtime(agents=[agent], nats=nats_url, namespace="runtime-example") as rt:
    ...         working = asyncio.create_task(rt.run_worker())
    ...         reply = await rt.send("onboarding", "c-1", "hi")
    ...         working.cancel()
    ...         await asyncio.wait([working])
    ...         return reply.text
    >>> asyncio.run(main())
    'Hello! What is your name?'
    """

    def __init__(
        self,
        agents: Sequence[JourneyAgent[Any, Any, Any]] = (),
        nats: str | None = None,
        home: str | Path | None = None,
        namespace: str = "arf",
        *,
        credentials: Credentials = ANONYMOUS,
        shards: int = 8,
        concurrency: int = 200,
        grace: float = 30.0,
        idle: float = 60.0,
        retry: RetryPolicy | None = None,
        seal: SealConfig | None = None,
        clock: Clock | None = None,
        substrate: Substrate | None = None,
        encrypt: bool | KeyWrapper = False,
    ) -> None:
        self.agents = list(agents)
        self._place = Place(
            nats=nats,
            home=None if home is None else Path(home),
            namespace=namespace,
            shards=shards,
            credentials=credentials,
            encrypt=bool(encrypt),
            wrapper=None if isinstance(encrypt, bool) else encrypt,
        )
        self._concurrency = concurrency
        self._grace = grace
        self._idle = idle
        self._retry = retry
        self.seal = seal
        self._clock = clock if clock is not None else SystemClock()
        self._given = substrate
        self._opened: Opened | None = None
        self._stack = AsyncExitStack()
        self.writer = WriterId(new_id("w"))

    async def __aenter__(self) -> Self:
        """Open the place.

        Raises:
            InvalidInput: the place is not one, or what is to be encrypted has no master key, or another.
            Unavailable: no server answers, it does not let us in, or the embedded one does not come up.

        """
        if self._given is not None:
            self._opened = Opened(self._given, "memory:", "memory")
            if self._place.encrypt and self._given.vault is not None:
                await self._given.vault.encrypt()
        else:
            self._opened = await self._stack.enter_async_context(opened(self._place, self.writer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened = None
        await self._stack.aclose()

    @property
    def opened(self) -> Opened:
        """The place, while it is open.

        Raises:
            FrameworkError: it is not.

        """
        if self._opened is None:
            raise FrameworkError("the runtime is not open: use it as `async with Runtime(...) as rt:`")
        return self._opened

    @property
    def substrate(self) -> Substrate:
        """The ports that this runtime stands on."""
        return self.opened.substrate

    def worker(self) -> Worker:
        """Return a worker for the agents, which works while its `run` does.

        Raises:
            InvalidInput: there is no agent, or a key cannot be used, of an agent or for seals.
            FrameworkError: seals are wanted, and what they need is not there.

        """
        sealing = (
            []
            if self.seal is None
            else [beside_workers(self.seal, self.substrate, self._place.namespace, self._clock, self.writer)]
        )
        return Worker(
            self.agents,
            self.substrate,
            clock=self._clock,
            writer=self.writer,
            concurrency=self._concurrency,
            grace=self._grace,
            idle=self._idle,
            retry=self._retry,
            beside=sealing,
        )

    async def run_worker(self) -> None:
        """Answer for the agents until this is cancelled; then finish what runs, and leave.

        Raises:
            Withheld: the namespace is encrypted, and there is no master key here.

        """
        await self.worker().run()
