"""What `onramp doctor` looks at: one small function a check, listed in `checks.py`."""
