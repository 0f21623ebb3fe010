"""The whole program on real servers, disturbed on purpose: every stored row is held against a ledger."""
