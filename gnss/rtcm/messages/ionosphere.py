"""1264: the vertical total electron content of the ionosphere, as spherical harmonics."""

from __future__ import annotations

from gnss.rtcm.messages import Table, register
from gnss.rtcm.ssr_fields import HEAD, IONOSPHERE, SENDER, TIME_OF_WEEK

register(Table(1264, "SSR ionosphere", (TIME_OF_WEEK, *HEAD, *SENDER, *IONOSPHERE), exact=True))
