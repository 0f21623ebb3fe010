"""Many streams of stations at once: bytes of all their sockets to whole epochs, in one call."""
