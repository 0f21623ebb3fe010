"""UBX, the binary protocol of u-blox receivers: raw observations and navigation words."""
