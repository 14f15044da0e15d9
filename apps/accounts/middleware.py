"""Refuses whatever the rights matrix does not allow."""
