"""Lobes and lesions as surfaces, drawn off screen by trame-slicer's view of the scene of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.segmentation.bounding_box import common_box, mask_in, segment_in
from PRRTUptakeLib.segmentation.segments import Segmentation

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.segments import Segment

SIZE = 420
_OPACITY = {"lobe": 0.35, "target": 1.0, "lesion": 0.8}
_MOST_VOXELS = 4_000_000
_SMOOTHING = "0.1"  # 0.5, which Slicer takes by itself, shrinks a lesion of 2 x 2 x 2 voxels to a point


class SurfaceView:
    """One view in three dimensions; makes the scene's view once, and shows one segmentation at a time."""

    def __init__(self) -> None:
        from trame_slicer.views import ThreeDView

        scene = session()
        application = slicer.app.applicationLogic()
        application.SetSliceLogics(vtk.vtkCollection())
        application.SetViewLogics(vtk.vtkCollection())
        for module in vars(slicer.modules).values():
            name = type(module.logic()).__name__
            for part in ("vtkSlicer", "Module", "Logic"):
                name = name.replace(part, "")
            application.SetModuleLogic(name, module.logic())
        self._rendering = slicer.vtkSlicerVolumeRenderingLogic()
        self._rendering.SetMRMLApplicationLogic(application)
        self._rendering.SetMRMLScene(scene)
        application.SetModuleLogic("VolumeRendering", self._rendering)
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(application)
        self._view = ThreeDView(scene=scene, app_logic=application, name="Review")
        self._view.update_size(SIZE, SIZE)
        self._view.set_box_visible(False)
        self._view.renderer().SetUseDepthPeeling(False)  # without a graphics card it draws nothing translucent
        self._view.set_background_gradient_color((0, 0, 0), (20, 24, 32))
        self._node: Any = None

    def show(self, segmentation: Segmentation) -> None:
        """Show lobes and lesions in place of what was shown before."""
        shown = [_styled(s) for s in segmentation if s.role in _OPACITY and s.voxel_count]
        if not shown:
            return
        self._node = node_from_segmentation(
            _coarser(Segmentation(segmentation.grid, tuple(shown))), "Review", self._node
        )
        display = self._node.GetDisplayNode()
        for segment in shown:
            display.SetSegmentOpacity3D(segment.name, _OPACITY[segment.role])
        make_surfaces(self._node)
        self._view.fit_view_to_content()

    def turn(self, across: float, down: float) -> None:
        """Turn by a movement of the mouse in pixels."""
        camera = self._view.renderer().GetActiveCamera()
        camera.Azimuth(-0.5 * across)
        camera.Elevation(0.5 * down)
        camera.OrthogonalizeViewUp()
        self._view.renderer().ResetCameraClippingRange()

    def pixels(self) -> np.ndarray:
        """The picture, uint8 (rows, columns, 3)."""
        self._view.render_window().Render()
        taken = vtk.vtkWindowToImageFilter()
        taken.SetInput(self._view.render_window())
        taken.ReadFrontBufferOff()
        taken.Update()
        image = taken.GetOutput()
        columns, rows, _ = image.GetDimensions()
        flat = vtk_to_numpy(image.GetPointData().GetScalars())
        return np.ascontiguousarray(flat.reshape(rows, columns, -1)[::-1, :, :3])


def make_surfaces(node: Any) -> None:
    """Make the closed surfaces of a vtkMRMLSegmentationNode, with corners rounded and small lesions kept."""
    node.GetSegmentation().SetConversionParameter("Smoothing factor", _SMOOTHING)
    node.CreateClosedSurfaceRepresentation()


def _styled(segment: Segment) -> Segment:
    if segment.role == "lobe":
        return segment
    return segment.relabelled(color=(1.0, 0.9, 0.0) if segment.role == "target" else (1.0, 0.5, 0.82))


def _coarser(segmentation: Segmentation) -> Segmentation:
    """Every second voxel along each axis of large masks: surfaces to look at, quick to make."""
    box = common_box(segmentation.grid, list(segmentation))
    size = int(np.prod([part.stop - part.start for part in box]))
    if size <= _MOST_VOXELS:
        return segmentation
    from PRRTUptakeLib.imaging.volume import Grid

    step = np.diag([2.0, 2.0, 1.0, 1.0])
    shape = tuple((n + m - 1) // m for n, m in zip(segmentation.grid.shape, (1, 2, 2), strict=True))
    grid = Grid((shape[0], shape[1], shape[2]), segmentation.grid.ijk_to_ras @ step)
    coarse = tuple(slice(0, size, step) for size, step in zip(segmentation.grid.shape, (1, 2, 2), strict=True))
    thinned = []
    for segment in segmentation:
        full = mask_in(segment, tuple(slice(0, n) for n in segmentation.grid.shape))[coarse]  # type: ignore[arg-type]
        labels = {"role": segment.role, "lobe": segment.lobe, "structure": segment.structure, "color": segment.color}
        whole = tuple(slice(0, n) for n in shape)
        thinned.append(segment_in(segment.name, full, whole, **labels))  # type: ignore[arg-type]
    return Segmentation(grid, tuple(one for one in thinned if one.voxel_count))
