"""Whole files to the report of their station: RTCM 3 captures and RINEX observation files."""

from gnss.scoring.any_file import score_file
from gnss.scoring.capture import score_capture
from gnss.scoring.epochs import NothingToScoreError, score_epochs
from gnss.scoring.rinex import score_rinex

__all__ = ["NothingToScoreError", "score_capture", "score_epochs", "score_file", "score_rinex"]
