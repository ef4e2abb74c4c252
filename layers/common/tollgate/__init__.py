"""Everything the functions share: one folder per capability, and no import of its own here.

Importing `tollgate` loads nothing, so that a function pays only for the modules it names.
"""

__version__ = "0.1.0"
