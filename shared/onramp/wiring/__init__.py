"""Builds each function's use case from its settings. Only this package makes clients."""
