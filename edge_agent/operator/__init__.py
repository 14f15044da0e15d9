"""The page beside the line, served by the device itself: it needs no cloud, and changes nothing."""
