"""Fakes of Stripe and RevenueCat, limited to the calls of the pipeline: state machines without I/O, served by ASGI."""
