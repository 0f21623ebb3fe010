"""Where everything is put together and started."""

import gc

# Before anything else is imported: imports make no cycles, and to look for some took a fifth of each start.
# A program that has begun looks more often (`garbage.py`).
gc.set_threshold(200_000, 20, 20)
