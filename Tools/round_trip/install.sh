#!/bin/sh
# An environment with the programs of the round trips, beside the one of the tests: sh Tools/round_trip/install.sh [FOLDER]
# FOLDER (by default .venv-round-trip) is what PRRT_ROUND_TRIP names for the tests.
set -eu
FOLDER=${1:-.venv-round-trip}
PYTHON=${PYTHON:-python3}
"$PYTHON" -m venv "$FOLDER"
"$FOLDER/bin/python" -m pip install --quiet rt-utils DicomRTTool plastimatch dcmqi highdicom nibabel SimpleITK
echo "Ready: PRRT_ROUND_TRIP=$FOLDER"
