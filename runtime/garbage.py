"""How often a worker's process looks for garbage: what it holds are conversations, and few of them are ever garbage."""

import gc

NEW = 10_000
"""So many objects more, and Python looks for garbage among the new ones; by itself it does after 700 or 2,000."""


def collect_seldom() -> None:
    """Have this process look for garbage less often, and never again among all that it has now.

    Conversations that come and go are many objects, and hardly any stands in a cycle, so looking for garbage among
    them takes a tenth of a worker's time.  Call it once, when all is loaded.  It is for a process that is a worker and
    nothing else: what is garbage later stays somewhat longer.  Who set it to look even less often, or never, is left
    alone in that.
    """
    gc.collect()
    gc.freeze()
    new, *older = gc.get_threshold()
    if 0 < new < NEW:
        gc.set_threshold(NEW, *older)
