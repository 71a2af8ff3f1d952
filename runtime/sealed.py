"""What seals that which is sent to a conversation, and who may send it."""

from ..events import Cipher, ConversationId, Refused
from .substrate import Substrate
from .vault import Shut


async def key_for(substrate: Substrate, conversation: ConversationId) -> Cipher | None:
    """Return what seals a command for this conversation, None where it goes in clear.

    In an encrypted namespace only a conversation that was begun in clear goes on so.

    Raises:
        Refused: it was sealed, and erased.
        Withheld: it is to be sealed, and there is no master key here.
        Unavailable: the server did not answer.

    """
    vault = substrate.vault
    if vault is None:
        return None
    cipher = await vault.cipher(conversation)
    if isinstance(cipher, Shut) and cipher.erased:
        raise Refused(cipher.message)
    if cipher is not None or not await vault.encrypted():
        return cipher
    last = await substrate.log.last(conversation)
    if last is None:
        return await vault.created(conversation)
    if last.frame.status == "erased":
        raise Refused(f"conversation {conversation!r} was erased")
    return None
