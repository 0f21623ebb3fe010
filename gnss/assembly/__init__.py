"""Bytes of many stations to epochs, in one call: `table.EpochTable`, its records and its kernels."""
