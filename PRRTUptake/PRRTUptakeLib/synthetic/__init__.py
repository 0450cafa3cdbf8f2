"""The synthetic patients and phantoms, their images and their DICOM."""
