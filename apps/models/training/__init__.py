"""From images to a signed-ready package, without Django. One file per recipe, all with the same inside."""
