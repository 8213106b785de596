"""The gateway: one ASGI app in front of the emulator. It adds what AWS does and the emulator does not.

web_pages           refuses what a web page can send, before anything else
app                 routes a request to the fakes, the controls (`/_onramp/...`) or through the layers to the emulator
aws                 an AWS call, the chain of layers, and the client that a layer uses to call the emulator
client              GatewayControl, the client of the controls, for tests

Layers, in the order in which a call passes them:
faults              fails or delays calls on demand
cognito_triggers    invokes PostConfirmation and PostAuthentication; uses trigger_event and trigger_invocation
message_move_tasks  SQS redrive calls
user_pool_updates   UpdateUserPool resets the settings that a request omits
put_events          PutEvents checks each entry

Changes inside the emulator, whose version is pinned:
embedded_metrics    metrics in function logs become CloudWatch metrics
replay_filters      a replay reaches only the rules that it names
pool_users          writes users into a pool without a sign-up; first sign-in through an identity provider
"""
