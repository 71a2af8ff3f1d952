"""The kit for testing agents; its public names are those of `agent_runtime_framework.testing`.

Nothing is imported here: pytest loads `plugin` in every session.
"""
