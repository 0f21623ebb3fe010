"""Authorities and certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certificate(folder: Path, name: str, *, by: str | None = None, host: str = "IP:127.0.0.1") -> Path:
    """Make a certificate for a host; return its PEM file, with the key of the same name beside it (`.key`).

    Parameters
    ----------
    by
        Name of the authority that signs it; None: it signs itself, and may sign others.
    """
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    signed = ["-CA", str(folder / f"{by}.pem"), "-CAkey", str(folder / f"{by}.key")] if by else []
    done = subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={host}", "-addext",
            f"basicConstraints=critical,CA:{'FALSE' if by else 'TRUE'}", *signed,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return chain
