"""Registration of images: rigid, deformable, transforms of other tools, and the check of one session's images."""
