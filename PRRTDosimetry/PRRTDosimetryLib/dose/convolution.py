"""Convolution of a volume with a mirror-symmetric kernel by real FFTs in single precision.

Four things make it fast and small beside a general FFT convolution. The kernel is even in each axis, so its transform
is real, even, and fits one octant (a discrete cosine transform of type I); it is computed once and reused. Rows that
hold only padding are never transformed. Two of the three axes are transformed a few planes at a time, which stay in the
cache, so that the padded volume never exists as a whole. And the planes are kept whole in memory and shared among
threads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PRRTUptakeLib.threads import thread_count
from scipy import fft

_SLAB_VALUES = 150_000  # complex values that a thread works on: 1.2 MB, which a core's cache holds


@dataclass(frozen=True, eq=False)
class EvenKernel:
    """Transform of an even kernel for images of one shape.

    Attributes
    ----------
    image_shape : (k, j, i) of the images that it can be applied to.
    padded_shape : lengths of the transforms: at least image plus reach of the kernel, so nothing wraps around.
    transform : float32 [i, k, j], one octant of the real transform, in the order in which it is used.
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
        transform = fft.dctn(padded, type=1, overwrite_x=True, workers=thread_count()).astype(np.float32)
        k, j, i = (2 * half for half in halves)
        return cls(image_shape, (k, j, i), np.ascontiguousarray(transform.transpose(2, 0, 1)))

    def convolve(self, image: np.ndarray) -> np.ndarray:
        """Convolve ``image`` [k, j, i] with the kernel, as if zero lay around it; float32 of the same shape."""
        if image.shape != self.image_shape:
            raise ValueError(f"The kernel was prepared for {self.image_shape}, but the image has {image.shape}.")
        values = np.asarray(image, dtype=np.float32)
        height, width, length = self.padded_shape
        spectrum = np.empty((length // 2 + 1, *self.image_shape[:2]), dtype=np.complex64)  # [frequency of i, k, j]
        result = np.empty(self.image_shape, dtype=np.float32)

        def rows_transformed(part: slice) -> None:
            spectrum[:, part] = fft.rfft(values[part], n=length, axis=2).transpose(2, 0, 1)

        def planes_convolved(part: slice) -> None:
            self._convolve_planes(spectrum[part], self.transform[part])

        def rows_restored(part: slice) -> None:
            rows = fft.irfft(spectrum[:, part].transpose(1, 2, 0), n=length, axis=2)
            result[part] = rows[:, :, : self.image_shape[2]]

        rows = _slabs(self.image_shape[0], self.image_shape[1] * length)
        with ThreadPoolExecutor(thread_count()) as pool:
            list(pool.map(rows_transformed, rows))
            list(pool.map(planes_convolved, _slabs(len(spectrum), height * width)))
            list(pool.map(rows_restored, rows))
        return result

    def _convolve_planes(self, planes: np.ndarray, transform: np.ndarray) -> None:
        """Convolve planes [frequency of i, k, j] along k and j, in place, with their share of the kernel's octant."""
        k, j = self.image_shape[:2]
        height, width = self.padded_shape[:2]
        box = fft.fft(planes, n=width, axis=2)
        box = fft.fft(box, n=height, axis=1, overwrite_x=True)
        half = np.concatenate([transform, transform[:, :, width // 2 - 1 : 0 : -1]], axis=2)
        box[:, : height // 2 + 1] *= half
        box[:, height // 2 + 1 :] *= half[:, height // 2 - 1 : 0 : -1]
        box = fft.ifft(box, axis=1, overwrite_x=True)[:, :k]
        planes[...] = fft.ifft(box, axis=2, overwrite_x=True)[:, :, :j]


def _slabs(count: int, values: int) -> list[slice]:
    """Parts of ``count`` planes, each of ``values`` complex values, that are worked on at a time."""
    thick = max(1, _SLAB_VALUES // values)
    return [slice(start, start + thick) for start in range(0, count, thick)]
