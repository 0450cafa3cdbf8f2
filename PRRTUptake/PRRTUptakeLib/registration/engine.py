"""Search for a rigid pose by mutual information, on two images shrunk to a few millimetres."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import grid_of, shrunk, shrunk_array
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.registration.errors import RegistrationError
from PRRTUptakeLib.registration.mutual_information import MutualInformation, Summit, climb, nearest_rigid, settled
from PRRTUptakeLib.registration.preprocessing import (
    BODY_WINDOW_HU,
    COMPARED_mm,
    bounding_box,
    checked_mask,
    coarse_and_body,
    cropped,
    is_ct,
    mask_points,
    usual_window,
    windowed,
)

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

COARSE_mm, MIDDLE_mm, FINE_mm = 12.0, 6.0, COMPARED_mm

_NOISE_SIGMA_mm = 2.0  # smoothing at the finest level: a low-dose CT has more noise than the liver has contrast
_LEAST_INSIDE = 0.4  # share of the registered region that must lie within the moving image
_OTHER_POSE_mm = 10.0
_AS_GOOD = 0.98  # another pose is a rival if it reaches this share of the best mutual information
_ITERATIONS = 150
_SETTLING_mm = (0.2, 0.006)  # first and last step
_FINEST_mm, _FINEST_SAMPLES = 1.7, 70_000  # of the fixed image, for the last steps
_FIRST_ITERATIONS = 40  # of each coarse start; those that lead elsewhere than the best are then continued
_OVER_CHANCE = 1.5  # times the mutual information of unrelated images, at least; the liver of other CTs has 20 times it
_HOPELESS = 0.8  # of the best mutual information: below, a start is not continued

Window = tuple[float, float]


@dataclass(frozen=True)
class RegistrationOptions:
    """Settings of a registration.

    Attributes
    ----------
    align_centres : start with the bodies' centroids on each other; else from where the images say they are (both are
        tried if they overlap).
    search_mm : how far along the body starting positions are tried.
    liver_margin_mm : how far beyond the liver its registration looks.
    maximum_rotation_deg, maximum_shift_mm : beyond these, measured from the start, the result is refused as diverged.
    bins : classes of the joint histogram.
    samples : voxels compared at most, drawn at random where the region holds more.
    seed : of the sampling.
    force : register images of different patients all the same.
    """

    align_centres: bool = False
    search_mm: float = 40.0
    liver_margin_mm: float = 6.0
    maximum_rotation_deg: float = 40.0
    maximum_shift_mm: float = 120.0
    bins: int = 64
    samples: int = 80_000
    seed: int = 1
    force: bool = False


@dataclass(frozen=True, eq=False)
class Livers:
    """The livers of both images at about 3 mm (occupied fraction of each voxel), as far as they are known."""

    fixed: sitk.Image | None
    moving: sitk.Image | None

    @classmethod
    def of(cls, fixed: Grid, fixed_mask: np.ndarray | None, moving: Grid, moving_mask: np.ndarray | None) -> Livers:
        """Check and shrink the masks [k, j, i]."""
        images = []
        for grid, mask, name in ((fixed, fixed_mask, "fixed liver"), (moving, moving_mask, "moving liver")):
            inside = checked_mask(mask, grid, name)
            images.append(None if inside is None else shrunk_array(inside, grid, FINE_mm))
        return cls(images[0], images[1])


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images at about 3 mm with the masks of their bodies; poses are 4x4 RAS, fixed to moving.

    ``volume`` is the fixed image as it is.
    """

    fixed: sitk.Image
    moving: sitk.Image
    fixed_is_ct: bool
    moving_is_ct: bool
    fixed_body: sitk.Image
    moving_body: sitk.Image
    volume: Volume
    _last: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fixed: Volume, moving: Volume) -> Pair:
        """Shrink both images and find the bodies."""
        one, other = coarse_and_body(fixed, "fixed"), coarse_and_body(moving, "moving")
        return cls(one[0], other[0], is_ct(fixed), is_ct(moving), one[1], other[1], fixed)

    def images(
        self, spacing_mm: float, window: Window, region: sitk.Image | None = None
    ) -> tuple[sitk.Image, sitk.Image]:
        """Both images at a resolution, limited to the values that matter; the last ones are kept.

        ``region`` is a mask of the fixed image beyond which its finest resolution is not needed.
        """
        region = region if spacing_mm <= FINE_mm else None
        asked = (spacing_mm, window, id(region))
        if self._last.get("asked") != asked:
            self._last.update(asked=asked, region=region, images=self._images(spacing_mm, window, region))
        found: tuple[sitk.Image, sitk.Image] = self._last["images"]
        return found

    @functools.cached_property
    def _own_windows(self) -> list[Window | None]:
        """Of images that are no CT."""
        images = ((self.fixed, self.fixed_is_ct), (self.moving, self.moving_is_ct))
        return [None if ct else usual_window(image) for image, ct in images]

    def _images(self, spacing_mm: float, window: Window, region: sitk.Image | None) -> tuple[sitk.Image, sitk.Image]:
        fixed, moving = (
            windowed(image, window if own is None else own)
            for image, own in zip((self.fixed, self.moving), self._own_windows, strict=True)
        )
        if spacing_mm > FINE_mm:
            return shrunk(fixed, spacing_mm), shrunk(moving, spacing_mm)
        if region is not None:
            fixed = cropped(fixed, region, 6.0 * _NOISE_SIGMA_mm)
        smooth = (sitk.SmoothingRecursiveGaussian(image, _NOISE_SIGMA_mm) for image in (fixed, moving))
        return next(smooth), next(smooth)

    def best_start(
        self, initial: np.ndarray | None, options: RegistrationOptions, progress: Progress = no_progress
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """The best of many coarse starts, each optimised on the body; and doubts, if another is as good.

        ``progress`` is called at every step; what it raises, such as `Cancelled`, ends the search.

        Raises
        ------
        RegistrationError
            If the images overlap in none.
        """
        images = self.images(COARSE_mm, BODY_WINDOW_HU)
        points = mask_points(self.fixed_body)
        candidates = [np.asarray(initial, dtype=np.float64)] if initial is not None else self._candidates(options)
        coarse = MutualInformation.of(images, self.fixed_body, options.bins, options.samples, options.seed)
        rated = []
        for number, pose in enumerate(candidates):
            progress(0.5 * number / len(candidates), "Looking for a start")
            if self.inside(_mapped(pose, points)) >= _LEAST_INSIDE:
                rated.append((coarse.value(pose), pose))
        if not rated:
            raise RegistrationError(
                "The images do not overlap enough: check that both show the abdomen, or start with the centres aligned."
            )
        rated.sort(key=lambda item: -item[0])
        chosen: list[np.ndarray] = []
        for _, pose in rated:
            if all(_apart_mm(pose, other, points) > COARSE_mm for other in chosen) and len(chosen) < 3:
                chosen.append(pose)
        found = []
        for number, pose in enumerate(chosen):
            step = sub_progress(progress, 0.5 + 0.5 * number / len(chosen), 0.5 + 0.5 * (number + 1) / len(chosen))
            found.append(_optimised(coarse, pose, COARSE_mm, step, _FIRST_ITERATIONS))
        best, rivals = _best_and_rivals(coarse, found, points)
        doubt = (
            "Two poses of the patient fit almost equally well: look at the checkerboard before using this registration."
        )
        return best.pose, (doubt,) if rivals else ()

    def refined(
        self,
        pose: np.ndarray,
        mask: sitk.Image,
        spacing_mm: float,
        window: Window,
        options: RegistrationOptions,
        progress: Progress = no_progress,
    ) -> np.ndarray:
        """The pose of highest mutual information near ``pose``, within ``mask`` of the fixed image."""
        images = self.images(spacing_mm, window, mask)
        finest = spacing_mm <= FINE_mm
        samples = options.samples if finest else options.samples // 4  # a start for the next level
        information = MutualInformation.of(images, mask, options.bins, samples, options.seed)
        summit = _optimised(information, pose, spacing_mm, progress)
        if not finest:
            return summit.pose
        return settled(self._finest(information, images[1], mask, window), summit, *_SETTLING_mm)

    def _finest(
        self, information: MutualInformation, moving: sitk.Image, region: sitk.Image, window: Window
    ) -> MutualInformation:
        """With samples that are closer than the moving image's voxels, so that none of these is left out.

        Mean error at the liver of MRI to low-dose CT: 0.43 mm instead of 0.46 mm with samples at 3.4 mm. Not for a CT,
        whose noise in fine voxels leads aside: two low-dose CT of 512 x 512 are 0.48 mm off with them, 0.20 mm without.
        """
        if region is self.fixed_body or self.fixed_is_ct or self.volume.grid.shape == grid_of(self.fixed).shape:
            return information  # there are more samples than needed, or the image is no finer
        own = self._own_windows[0]
        fixed = windowed(_around(self.volume, region), window if own is None else own)
        smooth = sitk.SmoothingRecursiveGaussian(fixed, _NOISE_SIGMA_mm)
        return MutualInformation.of((smooth, moving), region, information.bins).thinned(_FINEST_SAMPLES)

    def metric(self, transform: sitk.Transform, mask: sitk.Image, window: Window) -> float:
        """Mutual information in nats under a transform, within ``mask``; -inf where too little overlaps."""
        return _metric(self.images(FINE_mm, window), mask, transform)

    def checked_metrics(
        self,
        poses: tuple[np.ndarray, np.ndarray, np.ndarray],
        mask: sitk.Image,
        window: Window,
        options: RegistrationOptions,
    ) -> tuple[float, float]:
        """Mutual information before and after; ``poses`` are the given one, the coarse start and the result.

        Raises
        ------
        RegistrationError
            If the result is no better than chance, worse than where it started, turned or moved too far, or leaves the
            moving image.
        """
        begin, start, result = poses
        points = mask_points(mask)
        information = MutualInformation.of(self.images(FINE_mm, window, mask), mask, options.bins)
        shares = [self.inside(_mapped(pose, points)) for pose in poses]
        before, middle, after = (
            information.value(pose) if share >= _LEAST_INSIDE else math.nan
            for pose, share in zip(poses, shares, strict=True)
        )
        turn = math.degrees(math.acos(np.clip((np.trace((result @ np.linalg.inv(begin))[:3, :3]) - 1) / 2, -1, 1)))
        shift = _apart_mm(start, result, points)
        reasons = (
            (math.isnan(after), f"only {shares[2]:.0%} of what is registered is within the moving image"),
            (after < _OVER_CHANCE * information.by_chance(result), "the images agree no better than by chance"),
            (np.nanmax([middle, before, -1.0]) > after + 0.01 * abs(after), "it fits worse than its start"),
            (turn > options.maximum_rotation_deg, f"the patient would be turned by {turn:.0f} degrees"),
            (shift > options.maximum_shift_mm, f"it went {shift:.0f} mm from the coarse pose"),
        )
        for failed, reason in reasons:
            if failed:
                raise RegistrationError(
                    f"The registration diverged ({reason}): check both images, give a start, or align them by hand."
                )
        return before, after

    def _candidates(self, options: RegistrationOptions) -> list[np.ndarray]:
        centres = [mask_points(body).mean(axis=0) for body in (self.fixed_body, self.moving_body)]
        offset = centres[1] - centres[0]
        bases = [offset] if options.align_centres else [np.zeros(3), offset * [1.0, 1.0, 0.0]]
        steps = np.arange(-options.search_mm, options.search_mm + 1.0, 10.0)
        return [_shifted(base + np.array([0.0, 0.0, step])) for base in bases for step in steps]

    def inside(self, points_ras: np.ndarray) -> float:
        """Share of points, in the moving image's frame, that lie within it."""
        grid = grid_of(self.moving)
        ijk = grid.to_ijk(points_ras)
        return float(((ijk >= 0) & (ijk <= np.array(grid.shape[::-1]) - 1)).all(axis=1).mean())


def _shifted(offset: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = offset
    return pose


def _mapped(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])


def _apart_mm(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> float:
    """Root mean square distance between where two poses put the points."""
    difference = one - other
    return float(np.sqrt((np.square(points @ difference[:3, :3].T + difference[:3, 3])).sum(axis=1).mean()))


def _around(volume: Volume, region: sitk.Image) -> sitk.Image:
    """The part of an image around a region, in voxels of about 1.7 mm or as they are."""
    box = bounding_box(sitk.GetArrayViewFromImage(region) > 0)[::-1]
    ends = np.stack(np.meshgrid(*[[part.start, part.stop - 1] for part in box]), axis=-1).reshape(-1, 3)
    kji = volume.grid.to_ijk(grid_of(region).to_ras(ends))[:, ::-1]
    margin = 6.0 * _NOISE_SIGMA_mm / np.array(volume.grid.spacing_mm[::-1])
    low = np.maximum(np.floor(kji.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(kji.max(axis=0) + margin).astype(int) + 1, volume.grid.shape)
    part = volume.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ low[::-1]
    return shrunk_array(part, Grid(part.shape, matrix), _FINEST_mm)


def _best_and_rivals(coarse: MutualInformation, found: list[Summit], points: np.ndarray) -> tuple[Summit, list[Summit]]:
    """The best coarse pose, and those elsewhere that fit almost as well, all optimised to the end.

    What ends where the best one is, is the same pose.
    """

    def to_the_end(one: Summit) -> Summit:
        return one if one.ended else _optimised(coarse, one.pose, COARSE_mm)

    def elsewhere(one: Summit) -> bool:
        return _apart_mm(one.pose, first.pose, points) > _OTHER_POSE_mm

    first, *others = sorted(found, key=lambda one: -one.value)
    first = to_the_end(first)
    others = [to_the_end(one) for one in others if elsewhere(one) and one.value >= _HOPELESS * first.value]
    best, *rest = sorted([first, *filter(elsewhere, others)], key=lambda one: -one.value)
    return best, [
        one
        for one in rest
        if one.value >= _AS_GOOD * best.value and _apart_mm(one.pose, best.pose, points) > _OTHER_POSE_mm
    ]


def _optimised(
    information: MutualInformation,
    pose: np.ndarray,
    spacing_mm: float,
    progress: Progress = no_progress,
    iterations: int = _ITERATIONS,
) -> Summit:
    """The summit near a pose; steps are millimetres of the region, from half a voxel down to a hundredth of it."""

    def step(share: float, _: str) -> None:
        progress(share, f"Registering at {spacing_mm:g} mm")

    found = climb(information, nearest_rigid(pose), spacing_mm / 2.0, spacing_mm / 100.0, iterations, step)
    if not math.isfinite(found.value):
        raise RegistrationError(
            "The images lost each other during registration (no overlap): check that they show the same part, or give "
            "a starting transform."
        )
    return found


def metric_method(
    images: tuple[sitk.Image, sitk.Image], mask: sitk.Image, options: RegistrationOptions
) -> sitk.ImageRegistrationMethod:
    """Mutual information within ``mask`` of the first image, sampled at random where the mask is large."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # threads add their sums in any order, so that no run would come out again
    method.SetMetricAsMattesMutualInformation(options.bins)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    # Its smoothed gradient does not belong to the metric, so that poses come off.
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    cells = np.count_nonzero(sitk.GetArrayViewFromImage(mask))
    inside = cells * math.prod(mask.GetSpacing()) / math.prod(images[0].GetSpacing())
    if inside > options.samples:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(options.samples / inside, options.seed)
    return method


def _metric(images: tuple[sitk.Image, sitk.Image], mask: sitk.Image, transform: sitk.Transform) -> float:
    """Mutual information in nats under any transform, -inf where too little overlaps."""
    method = metric_method(images, mask, RegistrationOptions())
    method.SetMovingInitialTransform(transform)
    method.SetInitialTransform(sitk.TranslationTransform(3))
    try:
        return -float(method.MetricEvaluate(*images))
    except RuntimeError:  # all samples fall outside
        return -math.inf


def watched(method: sitk.ImageRegistrationMethod, most: int, progress: Progress, message: str) -> list[Exception]:
    """Report to ``progress`` at every iteration, ``most`` being the last one.

    What it raises stops the optimiser, where that can be stopped, and is put into the list returned.
    """
    raised: list[Exception] = []

    def note() -> None:
        try:
            progress(min(method.GetOptimizerIteration() / most, 1.0), message)
        except Exception as error:  # it must not pass through ITK, which would lose it
            raised.append(error)
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, note)
    return raised
