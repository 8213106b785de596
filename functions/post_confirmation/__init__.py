"""Imported before the handler: a collection during init finds nothing, and costs 7 % of a cold start.

`onramp.wiring.warm_up` ends it.
"""

import gc

gc.disable()
