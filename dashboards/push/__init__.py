"""Push: what happens, by channel, to viewers that can go on where they were cut, at any server.

`window.py` keeps what came last, with the place of each message; `channels.py` and `sorting.py` say which
channels a message concerns; `hub.py` tells all viewers of a channel the same bytes; `catching_up.py` brings
those that come back to now. An event's id is a `cursor.py`: how far everything was read.
"""
