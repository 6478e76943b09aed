"""The teaching engine: checks, hints and solutions in a notebook; the builder and the proof of the course behind it."""

from lab_utils.teaching.another_lab import another_lab
from lab_utils.teaching.api import check, hint, progress, reveal
from lab_utils.teaching.shell import lab
from lab_utils.teaching.workbook import clean_slate

__all__ = ["another_lab", "check", "clean_slate", "hint", "lab", "progress", "reveal"]
