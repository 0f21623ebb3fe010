"""Sign-in with an OpenID Connect provider (Core 1.0, code flow with PKCE), which is believed what it signs.

A provider is a peer as any other: its answers are bounded in time and size, only public addresses are asked
unless the configuration says otherwise, and one that is away holds up nothing but the sign-in with it.
"""
