"""The engine's numbers in floats: values rounded to a format, gradients as if they were not.

The gradient of rounding is taken as 1 within the format's range and 0 outside (straight-through:
Bengio, Leonard and Courville 2013, section 4). Rounding is to the nearest code; where two are
equally near it takes the even one, the engine the upper.
"""

import numpy as np
import torch

from ..fixed import FixedFormat
from ..formats import weight_frac

SPECTRUM_BITS = 12


def rounded(values, fmt):
    """``values`` as format ``fmt`` holds them, saturated; as they are where ``fmt`` is None."""
    if fmt is None:
        return values
    return torch.fake_quantize_per_tensor_affine(values, fmt.lsb, 0, fmt.min, fmt.max)


def rounded_weight(weight, bits):
    """A dense weight in ``bits`` bits, at the scale that the quantizer would choose."""
    with torch.no_grad():
        frac = weight_frac("weight", weight.double().cpu().numpy(), bits)
    return rounded(weight, FixedFormat(bits, frac))


def spectra_format(spectra, bits):
    """Format with one scale for real and imaginary parts, that the quantizer would choose."""
    parts = torch.view_as_real(spectra.detach()).double().cpu().numpy()
    # of the parts that are stored: those of the first and the last bin are real
    real, whole = parts[..., (0, -1), 0].ravel(), parts[..., 1:-1, :].ravel()
    return FixedFormat(bits, weight_frac("spectra", np.concatenate([real, whole]), bits))


def rounded_blocks(blocks, bits):
    """First columns whose spectra, ``rfft(blocks)``, are rounded to ``bits`` bits."""
    spectra = torch.fft.rfft(blocks)
    parts = rounded(torch.view_as_real(spectra), spectra_format(spectra, bits))
    return torch.fft.irfft(torch.view_as_complex(parts), blocks.shape[-1])
