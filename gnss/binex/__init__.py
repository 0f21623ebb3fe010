"""BINEX, as UNAVCO publishes it: records with observations, ephemerides and what a site tells of itself."""
