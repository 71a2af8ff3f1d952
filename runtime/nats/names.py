"""Which streams, buckets and subjects a namespace has.

<ns>.ev.<shard>.<conversation>             stream <ns>-ev-<shard>     the event log, one frame a message
<ns>.cmd.<agent>.<conversation>            stream <ns>-cmd            commands, stored as
<ns>.cmdp.<agent>.<partition>.<conv.>                                 by the stream's subject transform
<ns>.live.<conversation>                   no stream                  frames and tokens for followers
<ns>.change                                no stream                  a worker came or went, or a lease is free
$KV.<ns>-leases.<agent>.<partition>        bucket <ns>-leases         who owns what
$KV.<ns>-leases.<worker>                                              who is there
$KV.<ns>-keys.<name>                       bucket <ns>-keys           keys of conversations, if it is encrypted
$KV.<ns>-memory.<key>                      bucket <ns>-memory         what authors keep; a store with a name
                                           of its own is in bucket    <ns>-<name>-<length of ns>-store
<ns>.seal                                  stream <ns>-seals          seals over all heads, from the first one on
<ns>.snap.<conversation>                   stream <ns>-snapshots      parts of the conversation's snapshot
"""

from msgspec import Struct

from ...events import AgentKey, ConversationId, InvalidInput, check_token
from ..bus import fnv1a


class Names(Struct, frozen=True):
    """Says how everything of one namespace is called; `shards` is fixed when the namespace is created."""

    namespace: str
    shards: int

    def __post_init__(self) -> None:
        check_token(self.namespace, "namespace")
        if self.shards < 1:
            raise InvalidInput(f"namespace {self.namespace!r} cannot have {self.shards} shards: give at least 1")

    def shard(self, conversation: ConversationId) -> int:
        """Return which event stream holds this conversation."""
        return fnv1a(conversation) % self.shards

    def event_stream(self, shard: int) -> str:
        """Return the name of an event stream."""
        return f"{self.namespace}-ev-{shard}"

    def event_subjects(self, shard: int) -> str:
        """Return the filter of all subjects of one event stream."""
        return f"{self.namespace}.ev.{shard}.*"

    def event_subject(self, conversation: ConversationId) -> str:
        """Return the subject of a conversation's log.

        Raises:
            InvalidId: it is not a token, so it could name other conversations' subjects.

        """
        check_token(conversation, "conversation id")
        return f"{self.namespace}.ev.{self.shard(conversation)}.{conversation}"

    @property
    def command_stream(self) -> str:
        """The name of the work queue."""
        return f"{self.namespace}-cmd"

    def command_subject(self, agent: AgentKey, conversation: ConversationId) -> str:
        """Return the subject that a client publishes a command to.

        Raises:
            InvalidId: one of the two is not a token.

        """
        check_token(agent, "agent key")
        check_token(conversation, "conversation id")
        return f"{self.namespace}.cmd.{agent}.{conversation}"

    def partition_filter(self, agent: AgentKey, partition: int) -> str:
        """Return the subject filter of one partition of one agent's commands."""
        return f"{self.namespace}.cmdp.{agent}.{partition}.*"

    def waiting_filter(self, conversation: ConversationId) -> str:
        """Return the subject filter of a conversation's commands, whoever they are for.

        Raises:
            InvalidId: it is not a token.

        """
        check_token(conversation, "conversation id")
        return f"{self.namespace}.cmdp.*.*.{conversation}"

    @property
    def lease_bucket(self) -> str:
        """The name of the key-value bucket of leases."""
        return f"{self.namespace}-leases"

    @property
    def lease_stream(self) -> str:
        """The name of the stream that holds the bucket of leases."""
        return f"KV_{self.lease_bucket}"

    @property
    def key_bucket(self) -> str:
        """The name of the key-value bucket of the conversations' keys."""
        return f"{self.namespace}-keys"

    @property
    def change_subject(self) -> str:
        """The subject on which workers tell each other that something changed."""
        return f"{self.namespace}.change"

    @property
    def seal_stream(self) -> str:
        """The name of the stream of seals."""
        return f"{self.namespace}-seals"

    @property
    def seal_subject(self) -> str:
        """The subject of the seals."""
        return f"{self.namespace}.seal"

    @property
    def snapshot_stream(self) -> str:
        """The name of the stream of snapshots."""
        return f"{self.namespace}-snapshots"

    def snapshot_subject(self, conversation: ConversationId) -> str:
        """Return the subject of the parts of a conversation's snapshot.

        Raises:
            InvalidId: it is not a token.

        """
        check_token(conversation, "conversation id")
        return f"{self.namespace}.snap.{conversation}"

    def memory_bucket(self, store: str) -> str:
        """Return the name of the key-value bucket of a store; an empty text names the one that has no name.

        No two namespaces share one: names may hold what stands between them, so the length tells where one ends.
        """
        return f"{self.namespace}-{store}-{len(self.namespace)}-store" if store else f"{self.namespace}-memory"

    def is_store(self, bucket: str) -> bool:
        """Say whether a bucket is a store of this namespace."""
        end = f"-{len(self.namespace)}-store"
        return bucket == self.memory_bucket("") or (bucket.startswith(f"{self.namespace}-") and bucket.endswith(end))

    def live_subject(self, conversation: ConversationId) -> str:
        """Return the subject that followers listen to.

        Raises:
            InvalidId: it is not a token, so it could name other conversations' subjects.

        """
        check_token(conversation, "conversation id")
        return f"{self.namespace}.live.{conversation}"
