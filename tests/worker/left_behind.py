"""What a piece of work leaves to the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable


def left_behind(work: Callable[[], None], *kinds: type) -> set[str]:
    """Do the work twice; the names of those kinds of which the second time left objects that only the collector frees.

    What others hold, such as tests before in this process, does not count; proxies of what is gone are among it, and
    raise when they are asked what they are.
    """
    work()
    gc.collect()
    others = [each for each in gc.get_objects() if issubclass(type(each), kinds)]
    gc.disable()
    try:
        work()
        known = {id(each) for each in others}
        return {
            type(each).__name__ for each in gc.get_objects() if issubclass(type(each), kinds) and id(each) not in known
        }
    finally:
        gc.enable()
