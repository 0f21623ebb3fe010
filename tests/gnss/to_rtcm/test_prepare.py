"""What is compiled beforehand."""

from __future__ import annotations

from gnss.binex.observations import _read
from gnss.to_rtcm import prepare
from gnss.to_rtcm.converter import Converter
from gnss.to_rtcm.fit import fit
from gnss.ubx.framing import _scan
from tests.gnss.to_rtcm.test_converter import BEGIN_US, binex_epochs, ubx_epochs


def test_real_epochs_compile_nothing_more() -> None:
    prepare.prepare()
    kernels = (_scan, _read, fit)
    before = [len(kernel.signatures) for kernel in kernels]
    assert all(before)
    for spoken, epochs in (("ubx", ubx_epochs(2)), ("binex", binex_epochs(2))):
        converter = Converter(spoken)
        assert all(converter.feed(epoch, BEGIN_US) for epoch in epochs)
    assert [len(kernel.signatures) for kernel in kernels] == before
