"""The whole program for a while, without faults: what grows, and whether every row is there."""
