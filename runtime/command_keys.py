"""What seals that which is sent to a conversation, and who may send it."""

from ..events import Cipher, ConversationId, EventLog, Refused, Stored, not_to_be_had, without_keys
from ..events.codec import in_clear
from .substrate import Substrate
from .vault import KeyVault, Shut


async def key_for(substrate: Substrate, conversation: ConversationId, last: Stored | None) -> Cipher | None:
    """Return what seals a command for this conversation, whose last frame is `last`; None where it goes in clear.

    In an encrypted namespace only a conversation that was begun in clear goes on so.  One that is sealed never does,
    wherever it was brought.

    Raises:
        Refused: it was sealed, and erased.
        Withheld: it is to be sealed, and there is no master key here, or its key is missing.
        Unavailable: the server did not answer.

    """
    vault = substrate.vault
    if vault is None or not await vault.encrypted():
        await _check_in_clear(substrate.log, last)
        return None
    cipher = await vault.cipher(conversation)
    if cipher is None:  # as far as is remembered
        cipher = await vault.cipher(conversation, anew=True) or await _begun(substrate.log, vault, conversation, last)
    if isinstance(cipher, Shut) and cipher.erased:
        raise Refused(cipher.message)
    return cipher


async def _begun(log: EventLog, vault: KeyVault, conversation: ConversationId, last: Stored | None) -> Cipher | None:
    """Return the key of a conversation that begins with this command, None for one that was begun in clear."""
    if last is None:
        return await vault.created(conversation)
    if last.frame.status == "erased":
        raise Refused(f"conversation {conversation!r} was erased")
    await _check_in_clear(log, last)
    return None


async def _check_in_clear(log: EventLog, last: Stored | None) -> None:
    """Raise Withheld if what a conversation has of its own is sealed: it was brought here without its key."""
    if last is None or last.frame.status == "erased" or in_clear(last.frame, last.data):
        return
    sealed = bool(last.frame.sealed)
    if not sealed:  # it has no words, so another frame must tell
        async for stored in without_keys(log).read(last.conversation):
            sealed = bool(stored.frame.sealed) and not stored.inherited
            if sealed or (not stored.inherited and in_clear(stored.frame, stored.data)):
                break
    if sealed:
        raise not_to_be_had(f"the content of {last.conversation!r}")
