"""Reading a 300-slice 400 x 400 PET into Bq/ml and SUV against SimpleITK's series reader, in one run.

Both get the names of the files' folder and do all there is to do: find the files of the series, put them in order,
read them, apply the slope of each slice. Ours also reads every header for times, doses and corrections.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK
from dicom_builders import write_slices
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv

SHAPE = (300, 400, 400)
VOLUME_BYTES = 4 * SHAPE[0] * SHAPE[1] * SHAPE[2]
ROUNDS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pet")
    values = np.random.default_rng(1).integers(0, 32767, SHAPE, dtype=np.int16)
    # as large a header as scanners write: 40 attributes more than needed
    texts = {f"{kind}": "x" * 40 for kind in ("StudyDescription", "SeriesDescription", "ProtocolName", "StationName")}
    slopes = [0.001 + 0.0001 * k for k in range(SHAPE[0])]
    write_slices(folder, values, "PT", changes=texts, per_slice={"RescaleSlope": slopes})
    return folder


def read_with_simpleitk(folder):
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def read_files_only_with_simpleitk(names):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    return reader.Execute()


def best(action, *arguments):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("convert", [quantify, suv])
def test_reading_against_simpleitk(benchmark, folder, convert):
    def ours():
        (series,) = find_series(folder)
        return convert(series).volume

    found = benchmark.pedantic(ours, rounds=ROUNDS, warmup_rounds=1)
    theirs = SimpleITK.GetArrayFromImage(read_with_simpleitk(folder)[:, :, ::60])
    same_unit = found.array[0].mean() / theirs[0].mean()
    np.testing.assert_allclose(found.array[::60], theirs * same_unit, rtol=1e-3, atol=1e-6)
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    own, whole, files_only = (
        benchmark.stats["min"],
        best(read_with_simpleitk, folder),
        best(read_files_only_with_simpleitk, names),
    )
    benchmark.extra_info.update(simpleitk_s=whole, simpleitk_files_only_s=files_only, ratio=whole / own)
    print(f"\n{convert.__name__}: {own:.2f} s; SimpleITK {whole:.2f} s with sorting, {files_only:.2f} s reading alone")
    assert own <= files_only


_PEAK = """
import resource, sys
from pathlib import Path
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = suv(find_series(Path(sys.argv[1]))[0])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_memory_of_reading(folder):
    """Peak memory over what the imports take, in a process of its own."""
    pytest.importorskip("resource", reason="peak memory is measured with a Unix function")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(folder)], capture_output=True, text=True, check=True, env=environment
    )
    peak = int(done.stdout)
    print(f"\npeak memory {peak / VOLUME_BYTES:.2f} times the float32 volume")
    assert peak < 2.5 * VOLUME_BYTES
