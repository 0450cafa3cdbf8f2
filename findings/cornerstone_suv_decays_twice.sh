#!/bin/bash
# @cornerstonejs/calculate-suv 1.1.0 (the SUV of OHIF): Decay Correction is not looked at, so that images corrected to the injection decay twice.
#
# Guess: images whose Decay Correction (0054,1102) is ADMIN are divided by the administered activity as it is, those of START by what is left of
# it at the start of the scan; the attribute is in the type of the input, and a series with mixed values is refused.
# Real: the factor is the same for both. For 68Ga 60 minutes after injection SUV of an ADMIN series is 1.85 times too large, after 90 minutes
# 2.5 times. Also: for Units GML the factor of SUVbw is 1, but that of lean body mass is the one of an image in Bq/mL.
# Who meets it: readers of SSTR PET in web viewers, from sites whose scanner or archive corrects to the time of administration.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-package-lock --prefix "$folder" @cornerstonejs/calculate-suv@1.1.0 > /dev/null
cat > suv.cjs <<'JAVASCRIPT'
const { calculateSUVScalingFactors } = require('@cornerstonejs/calculate-suv');

const halfLife = 4062.6; // 68Ga, seconds
const patient = {
  CorrectedImage: ['ATTN', 'DECY'], PatientWeight: 80, PatientSex: 'M', PatientSize: 1.8,
  RadionuclideHalfLife: halfLife, RadionuclideTotalDose: 150e6,
  RadiopharmaceuticalStartDateTime: '20250101090000', RadiopharmaceuticalStartTime: '090000',
  SeriesDate: '20250101', SeriesTime: '100000', AcquisitionDate: '20250101', AcquisitionTime: '100000',
};
const factors = (more) => calculateSUVScalingFactors([{ ...patient, ...more }])[0];

const start = factors({ Units: 'BQML', DecayCorrection: 'START' });
const admin = factors({ Units: 'BQML', DecayCorrection: 'ADMIN' });
const gml = factors({ Units: 'GML', DecayCorrection: 'START' });
const atInjection = 80000 / 150e6; // g per Bq
const atScan = atInjection * Math.pow(2, 3600 / halfLife);
const same = (a, b) => Math.abs(a / b - 1) < 1e-9;
console.log(`g/Bq for START ${start.suvbw.toExponential(4)} (true ${atScan.toExponential(4)}), ` +
  `for ADMIN ${admin.suvbw.toExponential(4)} (true ${atInjection.toExponential(4)}): ${(admin.suvbw / atInjection).toFixed(3)} times`);
console.log(`for GML: body weight ${gml.suvbw}, lean body mass ${gml.suvlbm.toExponential(4)}`);
if (!same(start.suvbw, atScan) || !same(admin.suvbw, start.suvbw) || Math.abs(admin.suvbw / atInjection - 1.848) > 1e-3) process.exit(1);
if (gml.suvbw !== 1 || !same(gml.suvlbm, start.suvlbm)) process.exit(1);
JAVASCRIPT
node suv.cjs
