"""Inspection. Nothing in here knows that there is a network."""
