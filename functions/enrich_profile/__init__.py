"""Imported before the handler, which enables the collection again: it would look at what init makes again and again."""

import gc

gc.disable()
