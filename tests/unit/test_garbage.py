"""How a worker's process looks for garbage: among few objects, and not often."""

import gc
import subprocess
import sys

from agent_runtime_framework.runtime.garbage import NEW, collect_seldom

SCRIPT = """
import gc, weakref
from agent_runtime_framework.runtime.garbage import NEW, collect_seldom

class Ring:
    pass

collect_seldom()
assert gc.isenabled() and gc.get_threshold()[0] == NEW, gc.get_threshold()
assert gc.get_freeze_count() > 1_000, gc.get_freeze_count()
ring = Ring()
ring.me = ring
gone = weakref.ref(ring)
del ring
filled = [[] for _ in range(NEW + 1)]
assert gone() is None, "what is garbage later is found"
"""


def test_who_has_it_look_less_often_or_never_is_left_alone() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        for new in (0, 3 * NEW):
            gc.set_threshold(new, 5, 6)
            collect_seldom()
            assert gc.get_threshold() == (new, 5, 6)
        gc.set_threshold(500, 5, 6)
        collect_seldom()
        assert gc.get_threshold() == (NEW, 5, 6)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert frozen == 0


def test_what_was_loaded_is_left_alone_and_what_is_garbage_later_is_found() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
