"""A station with several sources: one of them goes on at a time, in whole epochs."""
