"""What a worker says when it is ready, for whoever started it."""

from msgspec import Struct


class Ready(Struct, frozen=True, kw_only=True):
    """Says for whom a worker answers, and where.

    Attributes:
        agents: the agents' keys, each with its model in words.
        offline: the keys of those that talk to the offline model.
        partitions: how many partitions it owns.
        of: how many there are of these agents.
        durability: what an acknowledgement means there.
        server: the server's URL, without secrets.
        home: the embedded server's directory, or None.
        namespace: what keeps it apart on that server.
        encrypted: whether conversations that begin are sealed.
        seals: the file into which it seals where conversations end, or None.

    """

    agents: dict[str, str]
    offline: list[str]
    partitions: int
    of: int
    durability: str
    server: str
    home: str | None
    namespace: str
    encrypted: bool = False
    seals: str | None = None

    def line(self) -> str:
        """Return all of it on one line, for people."""
        server = self.server if self.home is None else f"{self.server} (embedded, {self.home})"
        there = f"durability {self.durability}, server {server}, namespace {self.namespace}"
        there += ", encrypted" if self.encrypted else ""
        there += f", seals into {self.seals}" if self.seals is not None else ""
        agents = ", ".join(f"{key} (offline model)" if key in self.offline else key for key in self.agents)
        return f"ready: {there}, agents {agents}, {self.partitions} of {self.of} partitions"
