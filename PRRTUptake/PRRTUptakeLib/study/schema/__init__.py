"""The one loader for every file that a person writes: declarations of keys, from which files are read and checked.

``json_file`` reads JSON strictly, ``fields`` says what a value may be, ``place`` names where it is in a file. The
declarations themselves: ``shared_keys``, ``case_keys`` and `PRRTUptakeLib.study.protocol`; ``kinds`` lists them and
makes the JSON Schema of each.
"""
