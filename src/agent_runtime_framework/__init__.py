"""Journey agents on an append-only event log: durable, replayable, auditable conversations."""
