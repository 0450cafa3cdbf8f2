#!/bin/bash
# dcmjs 0.52.2: a small number that is longer than 16 characters loses its power of ten when it is written: a direction of 6e-17 becomes 6.12.
#
# Guess: a decimal string (DS) has room for 16 characters, and a number that needs more is rounded to those, as pydicom and others do.
# Real: the text of the number is cut off after 16 characters, and the exponent, which comes last, is lost. An image turned by 90 degrees has the
# direction cosine cos(90) = 6.123233995736766e-17; the file says 6.12323399573676. A rescale slope of 1e-7 / 3 becomes 3.33. A line on the console says
# "Truncating value"; the file is valid. Numbers without an exponent only lose digits.
# Who meets it: derived images, SEG and RT objects of web viewers (OHIF and Cornerstone write by it) of coronal, sagittal or tilted planes, and maps
# with small slopes (SUV per count, 1/s).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-package-lock --prefix "$folder" dcmjs@0.52.2 dicom-parser@1.8.21 > /dev/null
cat > write.cjs <<'JAVASCRIPT'
const dcmjs = require('dcmjs');
const parser = require('dicom-parser'); // another reader

dcmjs.log.setLevel('error');
const { DicomDict, DicomMetaDictionary } = dcmjs.data;
const quarter = Math.PI / 2;
const given = {
  ImageOrientationPatient: [Math.cos(quarter), Math.sin(quarter), 0, 0, 0, -1],
  RescaleSlope: 1e-7 / 3,
  RescaleIntercept: 1 / 3,
};
const meta = { '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.1'] } };
const file = new DicomDict(meta);
file.dict = DicomMetaDictionary.denaturalizeDataset({
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.128', SOPInstanceUID: '2.25.1', ...given,
});
const read = parser.parseDicom(new Uint8Array(file.write()));
const direction = read.floatString('x00200037', 0);
const slope = read.floatString('x00281053');
const intercept = read.floatString('x00281052');
console.log(`direction cosine ${given.ImageOrientationPatient[0]} is ${direction} in the file, ` +
  `slope ${given.RescaleSlope} is ${slope}, 1/3 is ${intercept}`);
const wrong = Math.abs(direction - 6.123234) < 1e-4 && Math.abs(slope - 3.333333) < 1e-4;
if (!wrong || Math.abs(intercept - 1 / 3) > 1e-10) {
  console.error('changed: small numbers keep their power of ten');
  process.exit(1);
}
JAVASCRIPT
node write.cjs
