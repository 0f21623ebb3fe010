"""A rover drives past stations on a roaming mountpoint, with RTKLIB's rtkrcv at the wheel."""
