"""`onramp verify`: the black-box acceptance of a deployed stack, with synthetic users."""
