"""Where Onramp meets the outside: each adapter speaks one SDK and raises Onramp's own errors."""
