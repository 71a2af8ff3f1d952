"""The report as one static page: HTML and SVG as text, without a script, and without a word to any network."""

from .page import page

__all__ = ["page"]
