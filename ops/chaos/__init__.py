"""Real processes under kill -9: workers, clients, a server or three, and what must hold whatever happens to them.

The world that the workers act on is outside the runtime and is never harmed: a model server and a ledger, each a
process of its own, write down what they were asked before they answer.  What the log says is held against what these
two saw.
"""
