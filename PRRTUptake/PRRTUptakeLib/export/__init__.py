"""What leaves the program as files: tables, bundles, DICOM, PDF, with or without the patient's identity."""
