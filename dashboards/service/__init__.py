"""The monthly report of the service: who used it, what there was, what was alerted, who answered."""
