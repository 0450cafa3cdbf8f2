"""How CPU seconds and memory grow with matrix size, regions, visits and patients: a log-log plot with slopes.

``python Testing/Benchmarks/growth.py [-o Docs/images/growth.png]``. Slope 1 means: twice the work takes twice as long.
Matrix size and regions are functions in this process, and their memory is what numpy allocates; visits and patients
are whole processes of ``prrt``, whose start is in the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from processes import ROOT, Build, this_build

sys.path[:0] = [str(ROOT / part) for part in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]

_ROUNDS = 9  # of what takes milliseconds
Points = list[tuple[float, float, float]]  # size, CPU seconds, MB


def _measured(size: int, regions: int) -> tuple[float, float]:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.uptake.metrics import region_metrics

    random = np.random.default_rng(0)
    volume = Volume(random.random((size,) * 3).astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]), units="Bq/ml")
    edge = size // 8  # regions grow with the matrix, as voxels become finer
    segments = []
    for number in range(regions):
        origin = tuple(int(random.integers(0, size - edge)) for _ in range(3))
        segments.append(Segment(f"region {number}", np.ones((edge,) * 3, bool), origin))
    segmentation = Segmentation(volume.grid, tuple(segments))
    region_metrics(volume, segmentation)  # what is made once
    taken = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        region_metrics(volume, segmentation)
        taken.append(time.process_time() - start)
    tracemalloc.start()
    region_metrics(volume, segmentation)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return statistics.median(taken), (peak + volume.array.nbytes + sum(one.mask.nbytes for one in segments)) / 2**20


def by_matrix() -> Points:
    """Metrics of 20 regions in matrices of 64 to 256 cubed."""
    return [(float(size**3), *_measured(size, 20)) for size in (64, 96, 128, 192, 256)]


def by_regions() -> Points:
    """Metrics of 10 to 160 regions in a matrix of 128 cubed."""
    return [(float(regions), *_measured(128, regions)) for regions in (10, 20, 40, 80, 160)]


def by_visits(build: Build, work: Path) -> Points:
    """``prrt run`` of the serial demo with 1, 2 and 4 of its visits."""
    build.cost("demo", "-o", work / "serial", "--kind", "serial")
    case = work / "serial" / "patient" / "case.json"
    content = json.loads(case.read_text(encoding="utf-8"))
    found: Points = []
    for count in (1, 2, 4):
        part = case.with_name(f"case_{count}.json")
        part.write_text(json.dumps({**content, "visits": content["visits"][:count]}), encoding="utf-8")
        cost = build.cost("run", part, "-o", work / f"visits_{count}")
        found.append((float(count), cost.cpu_s, cost.peak_MB))
    return found


def by_patients(build: Build, work: Path) -> Points:
    """``prrt endpoints`` of 100 to 1,600 patients with three lesions a lobe."""
    from builders.trial_tables import simulate_trial, write_table

    found: Points = []
    for count in (100, 400, 1600):
        table = write_table(work / f"measurements_{count}.csv", simulate_trial(1, count, lesions=3, cycles=1))
        cost = build.cost("endpoints", table, "--protocol", "lutia", "--json")
        found.append((float(count), cost.cpu_s, cost.peak_MB))
    return found


def slope(points: Points, column: int) -> float:
    """Of the line through the logarithms."""
    sizes, values = (np.log([one[n] for one in points]) for n in (0, column))
    return float(np.polyfit(sizes, values, 1)[0])


def plot(curves: dict[str, Points], path: Path) -> None:
    """Time and memory over size, both relative to the first point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes: Any = figure.subplots(1, 2, sharex=True)
    for n, (axis, label) in enumerate(zip(axes, ("CPU time", "peak memory"), strict=True), start=1):
        for name, points in curves.items():
            first = points[0]
            x, y = [one[0] / first[0] for one in points], [one[n] / first[n] for one in points]
            axis.loglog(x, y, "o-", label=f"{name}: slope {slope(points, n):.2f}")
        axis.set(xlabel="size relative to the smallest", ylabel=f"{label} relative to the smallest")
        axis.grid(visible=True, which="both", alpha=0.3)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Measure, print the table, write the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "Docs" / "images" / "growth.png")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prrt_growth_") as folder:
        work = Path(folder)
        build = this_build(work)
        curves = {
            "voxels (metrics of 20 regions)": by_matrix(),
            "regions (metrics in 128 cubed)": by_regions(),
            "visits (prrt run)": by_visits(build, work),
            "patients (prrt endpoints)": by_patients(build, work),
        }
    for name, points in curves.items():
        print(f"{name}: slope of CPU time {slope(points, 1):.2f}, of memory {slope(points, 2):.2f}")
        for size, seconds, peak_MB in points:
            print(f"  {size:12.0f} {seconds:10.4f} s {peak_MB:8.0f} MB")
    plot(curves, chosen.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
