"""From gatherers to casters in processes of their own: what stands on the wire, and both of its ends."""
