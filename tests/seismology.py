"""ObsPy, an independent oracle. Its import warns of an interface of Python that it still uses."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from obspy import read
    from obspy.signal import trigger

__all__ = ["read", "trigger"]
