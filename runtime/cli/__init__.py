"""The command line `arf`: what click needs for the help is loaded at once, the rest by the command that runs."""

from .main import main

__all__ = ["main"]
