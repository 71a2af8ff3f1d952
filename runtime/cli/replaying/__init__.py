"""Conversations under the code of today: replayed, forked, kept as tests, checked before a deploy."""
