"""What stations send instead of RTCM 3, as RTCM 3: `converter` for streams, `recording` for files."""
