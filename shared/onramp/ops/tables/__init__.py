"""Every write that operator commands make to the tables, each with its condition; held by tests/contracts."""
