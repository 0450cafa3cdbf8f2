"""Tables, figures, HTML and DICOM results."""
