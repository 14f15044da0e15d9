#!/usr/bin/env python
"""Django's command line for HybridAI."""

import os
import sys

from django.core.management import execute_from_command_line

from hybridai.env import SettingWrong

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hybridai.settings")
    try:
        execute_from_command_line(sys.argv)
    except SettingWrong as exc:
        sys.exit(f"Error: {exc}")
