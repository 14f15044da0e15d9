"""One file per kind of camera, the same inside: a source that opens, reads and closes."""
