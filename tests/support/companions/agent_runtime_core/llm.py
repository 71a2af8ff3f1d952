"""Stands for the companion's model clients: tools by keyword, nothing known of a model but what it answers."""

from typing import Any


class Answer:
    """Is what the companion's clients give."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.message = message
        self.usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached": None}


class Client:
    """Answers with what it was asked last."""

    def __init__(self, model: str, max_retries: int) -> None:
        self.asked = (model, max_retries)

    async def generate(self, messages: list[dict[str, Any]], *, tools: list[dict[str, Any]] | None = None) -> Answer:
        return Answer({"role": "assistant", "content": f"{self.asked[0]} heard {messages[-1]['content']}"})


def get_llm_client(model: str, max_retries: int = 2) -> Client:
    """Return a client."""
    return Client(model, max_retries)
