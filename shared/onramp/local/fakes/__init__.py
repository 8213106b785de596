"""Stripe and RevenueCat as far as the pipeline uses them: pure state machines and one ASGI shell."""
