#!/bin/bash
# pynetdicom 3.0.4: an archive that supports StoragePresentationContexts refuses Parametric Maps and label-map segmentations.
#
# Guess: the list that the examples of a storage SCP use, StoragePresentationContexts, holds every storage class of the standard.
# Real: it holds 120 of the 170 that AllStoragePresentationContexts has (an association takes 128). Segmentation, RT Dose, Comprehensive 3D
# SR and NM are in it; Parametric Map, Label Map Segmentation and Radiopharmaceutical Radiation Dose SR are not: such a proposal comes back
# as "abstract syntax not supported".
# Who meets it: results of nuclear medicine (maps of SUV, activity and parameters) sent to a receiver that was written by the example.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pynetdicom==3.0.4 pydicom==3.0.2
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from pydicom.uid import UID
from pynetdicom import AE, AllStoragePresentationContexts, StoragePresentationContexts

CLASSES = {
    "Segmentation": "1.2.840.10008.5.1.4.1.1.66.4",
    "RT Dose": "1.2.840.10008.5.1.4.1.1.481.2",
    "Comprehensive 3D SR": "1.2.840.10008.5.1.4.1.1.88.34",
    "Nuclear Medicine Image": "1.2.840.10008.5.1.4.1.1.20",
    "Parametric Map": "1.2.840.10008.5.1.4.1.1.30",
    "Label Map Segmentation": "1.2.840.10008.5.1.4.1.1.66.7",
    "Radiopharmaceutical Radiation Dose SR": "1.2.840.10008.5.1.4.1.1.88.68",
}


def accepted(contexts):
    """Names of the classes that a receiver with these contexts accepts."""
    receiver = AE("RECEIVER")
    receiver.supported_contexts = contexts
    server = receiver.start_server(("127.0.0.1", 0), block=False)
    sender = AE("SENDER")
    for uid in CLASSES.values():
        sender.add_requested_context(UID(uid))
    association = sender.associate("127.0.0.1", server.server_address[1])
    assert association.is_established
    taken = {str(one.abstract_syntax) for one in association.accepted_contexts}
    association.release()
    server.shutdown()
    return {name for name, uid in CLASSES.items() if uid in taken}


usual = accepted(StoragePresentationContexts)
rest = [one for one in AllStoragePresentationContexts if str(one.abstract_syntax) in CLASSES.values()]
print(len(StoragePresentationContexts), "of", len(AllStoragePresentationContexts), "classes; refused:", sorted(set(CLASSES) - usual))
assert (len(StoragePresentationContexts), len(AllStoragePresentationContexts)) == (120, 170)
assert set(CLASSES) - usual == {"Parametric Map", "Label Map Segmentation", "Radiopharmaceutical Radiation Dose SR"}
assert accepted(rest) == set(CLASSES)
PYTHON
