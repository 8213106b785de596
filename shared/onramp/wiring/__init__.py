"""Builds each function's use case from its settings: the only place that makes clients."""
