"""Makes the point kernels that PRRTDosimetry ships, by Monte Carlo transport in water. A tool of development.

Run ``PYTHONPATH=Tools python -m kernel_generator`` at the top of the checkout; it needs the packages
icrp107-database (spectra) and xraylib (photon cross sections) and writes
``PRRTDosimetry/Resources/Kernels/point_kernel_NUCLIDE.json``. Docs/physics.md describes the physics and its limits.
"""
