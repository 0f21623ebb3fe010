"""What the kernels of all rooms share. Pure."""
