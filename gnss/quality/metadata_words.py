"""What a stream tells of its station, in words."""

from __future__ import annotations

from gnss.rtcm.station import StationMetadata


def metadata_words(metadata: StationMetadata) -> dict[str, str]:
    """Return what was told, by its name."""
    told = {
        "reference station": metadata.reference_station,
        "receiver": metadata.receiver_descriptor,
        "receiver serial": metadata.receiver_serial,
        "firmware": metadata.receiver_firmware,
        "antenna": metadata.antenna_descriptor,
        "antenna serial": metadata.antenna_serial,
        "antenna height": None if metadata.antenna_height_m is None else f"{metadata.antenna_height_m:.4f} m",
    }
    if metadata.position is not None:
        told["position"] = ", ".join(f"{v:.4f}" for v in metadata.position.ecef_m) + " m (ECEF)"
    return {what: " ".join(str(text).split()) for what, text in told.items() if text is not None}
