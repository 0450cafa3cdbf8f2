"""Protocol, case, measurements, the patient's pipeline, endpoints, power and cohort."""
