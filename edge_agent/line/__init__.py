"""The line as the agent touches it: cameras in, verdicts out."""
