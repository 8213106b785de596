"""One SDK an adapter: they implement the ports of the use cases and raise Onramp's own errors."""
