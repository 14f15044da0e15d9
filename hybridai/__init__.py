"""The project: composes the apps, holds no logic."""
