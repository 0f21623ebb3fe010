"""Benchmarks: figures with a peer beside."""

from deploy import kernel_cache

kernel_cache.use()  # as a service does, before a kernel is imported
