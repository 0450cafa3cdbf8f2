"""Convolution of a volume with a mirror-symmetric kernel by real FFTs in single precision.

Three things make it fast and small beside a general FFT convolution. The kernel is even in each axis, so its transform
is real, even, and fits one octant (a discrete cosine transform of type I); it is computed once and reused. Rows that
hold only padding are never transformed. And two of the three axes are transformed in slabs, so that the padded volume
never exists as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

_WORKERS = -1  # all cores
_SLAB_VALUES = 500_000  # complex values of a slab: 4 MB, small beside a volume


@dataclass(frozen=True, eq=False)
class EvenKernel:
    """Transform of an even kernel for images of one shape.

    Attributes
    ----------
    image_shape : (k, j, i) of the images that it can be applied to.
    padded_shape : lengths of the transforms: at least image plus reach of the kernel, so nothing wraps around.
    transform : float32, one octant of the real transform.
    """

    image_shape: tuple[int, int, int]
    padded_shape: tuple[int, int, int]
    transform: np.ndarray

    @classmethod
    def from_octant(cls, octant: np.ndarray, image_shape: tuple[int, int, int]) -> EvenKernel:
        """Prepare ``octant`` [k, j, i] (index 0 is the middle); what reaches beyond the image is cut off."""
        sizes = tuple(min(size, most) for size, most in zip(octant.shape, image_shape, strict=True))
        halves = [
            fft.next_fast_len(math.ceil((image + size - 1) / 2), real=True)
            for image, size in zip(image_shape, sizes, strict=True)
        ]
        padded = np.zeros([half + 1 for half in halves])
        padded[: sizes[0], : sizes[1], : sizes[2]] = octant[: sizes[0], : sizes[1], : sizes[2]]
        transform = fft.dctn(padded, type=1, overwrite_x=True, workers=_WORKERS).astype(np.float32)
        k, j, i = (2 * half for half in halves)
        return cls(image_shape, (k, j, i), transform)

    def convolve(self, image: np.ndarray) -> np.ndarray:
        """Convolve ``image`` [k, j, i] with the kernel, as if zero lay around it; float32 of the same shape."""
        if image.shape != self.image_shape:
            raise ValueError(f"The kernel was prepared for {self.image_shape}, but the image has {image.shape}.")
        spectrum = self._rows_transformed(np.asarray(image, dtype=np.float32))
        height, width = self.padded_shape[:2]
        columns = max(1, _SLAB_VALUES // (height * width))
        fold_k, fold_j = (np.minimum(np.arange(n), n - np.arange(n)) for n in (height, width))
        for start in range(0, spectrum.shape[2], columns):
            slab = spectrum[:, :, start : start + columns]
            box = fft.fft(slab, n=width, axis=1, workers=_WORKERS)
            box = fft.fft(box, n=height, axis=0, overwrite_x=True, workers=_WORKERS)
            box *= self.transform[fold_k[:, None], fold_j, start : start + columns]
            box = fft.ifft(box, axis=0, overwrite_x=True, workers=_WORKERS)[: image.shape[0]]
            slab[...] = fft.ifft(box, axis=1, overwrite_x=True, workers=_WORKERS)[:, : image.shape[1]]
        return self._rows_restored(spectrum)

    def _rows_transformed(self, image: np.ndarray) -> np.ndarray:
        length = self.padded_shape[2]
        spectrum = np.empty((*image.shape[:2], length // 2 + 1), dtype=np.complex64)
        for rows in self._row_slabs():
            spectrum[rows] = fft.rfft(image[rows], n=length, axis=2, workers=_WORKERS)
        return spectrum

    def _rows_restored(self, spectrum: np.ndarray) -> np.ndarray:
        length = self.padded_shape[2]
        result = np.empty(self.image_shape, dtype=np.float32)
        for rows in self._row_slabs():
            result[rows] = fft.irfft(spectrum[rows], n=length, axis=2, workers=_WORKERS)[:, :, : self.image_shape[2]]
        return result

    def _row_slabs(self) -> list[slice]:
        thick = max(1, _SLAB_VALUES // (self.image_shape[1] * self.padded_shape[2]))
        return [slice(start, start + thick) for start in range(0, self.image_shape[0], thick)]
