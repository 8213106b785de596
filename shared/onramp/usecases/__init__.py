"""What Onramp does: one module a use case. They import the domain and know no SDK; `wiring/` puts them together."""
