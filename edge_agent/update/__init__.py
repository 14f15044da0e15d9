"""Model updates: download, trust, trial in a child process, switch, probation, rollback (docs/updates.md)."""
