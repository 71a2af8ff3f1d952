"""What a fork does otherwise than its parent: the journey's request, with the model and the prompt of the edits."""

from msgspec.structs import replace

from ..projections import Conversation
from .commands import AskModel


def edited(conversation: Conversation, command: AskModel) -> AskModel:
    """Return the request as the conversation's edits have it; where two say the same thing, the later one counts.

    The model is named among the parameters, too, because a client that is told of none asks its own.  A prompt counts
    in the step of the journey that the conversation was in at the cut.
    """
    place = (conversation.journey, conversation.step)
    for edits in conversation.edits:
        if edits.model:
            command = replace(command, model=edits.model, parameters={**command.parameters, "model": edits.model})
        if edits.prompt is not None and (edits.journey, edits.step) == place:
            command = replace(command, prompt=edits.prompt)
    return command
