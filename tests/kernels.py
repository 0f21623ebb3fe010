"""Compile the kernels before the tests start: else several processes compile the same ones side by side."""

from __future__ import annotations

import subprocess
import sys

from deploy import kernel_cache

kernel_cache.use()  # before a kernel is imported

from rich.console import Console  # noqa: E402

from connectors.caster import frames_kernel, send_kernel  # noqa: E402
from deploy.registry import Registry  # noqa: E402
from deploy.settings import Settings  # noqa: E402
from deploy.warm_up import warm_up, warm_up_simulator  # noqa: E402
from storage import append_kernel  # noqa: E402

if __name__ == "__main__":
    console = Console(quiet=True)
    # a second processor is there
    detectors = subprocess.Popen(
        [sys.executable, "-c", "from deploy.warm_up import prepare_detectors as prepare; prepare()"]
    )
    warm_up_simulator(console)
    send_kernel.prepare()
    frames_kernel.prepare()
    append_kernel.prepare()
    warm_up(Registry.of(Settings()), console)
    if detectors.wait():
        sys.exit("The detectors' kernels could not be compiled: see above.")
