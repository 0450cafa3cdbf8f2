"""Science, node and command code of PRRT Uptake: from DICOM to lobe-labelled uptake and the trial's endpoint."""
