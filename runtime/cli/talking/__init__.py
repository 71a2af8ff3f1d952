"""Commands that talk: one message, a talk at a terminal or over stdin, and the demo."""
