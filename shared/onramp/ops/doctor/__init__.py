"""The checks of `onramp doctor`: each is a function that yields findings; `checks.py` lists them."""
