"""Rovers that are led from base to base: all but `roaming.py` and `rover.py` is pure, time an argument."""
