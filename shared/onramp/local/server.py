"""The server process: gateway, emulator and fakes on one port (`python -m onramp.local.server`).

It inherits its listening socket, so the port is known and bound before it starts. It stops when its standard input
closes: the parent holds the other end, and the kernel closes it when the parent ends, also on SIGKILL.
It leads its own process group, which contains the functions' processes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable

from onramp.local.asgi import App
from onramp.local.gateway.aws import ACCESS_KEY

HOST = "127.0.0.1"
STOP_WITHIN_SECONDS = 5.0
POLLER_PAUSE_SECONDS = 0.005
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m onramp.local.server")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket, inherited")
    parser.add_argument("--port", type=int, required=True, help="the port it is bound to")
    parser.add_argument("--region", required=True)
    parser.add_argument("--scratch", required=True, help="an empty directory, removed at the end")
    parser.add_argument("--enforce-iam", action="store_true")
    arguments = parser.parse_args()
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    set_environment(arguments.port, arguments.region, arguments.scratch, enforce_iam=arguments.enforce_iam)
    try:
        asyncio.run(serve(make_app(arguments.region, arguments.port), arguments.fd, arguments.scratch))
    finally:
        clean_up(arguments.scratch)


def set_environment(port: int, region: str, scratch: str, *, enforce_iam: bool) -> None:
    """Call it before the emulator is imported: the import reads these settings.

    The functions inherit this environment, so no AWS setting of the caller may remain in it.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        TMPDIR=scratch,
        GATEWAY_PORT=str(port),
        BIND_HOST=HOST,
        MINISTACK_HOST=HOST,
        MINISTACK_REGION=region,
        AUTH="true" if enforce_iam else "false",
        LOG_LEVEL="WARNING",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST="unix:///nonexistent",  # no access to Docker: the emulator would remove other containers
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=ACCESS_KEY,
        AWS_DEFAULT_REGION=region,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )


def make_app(region: str, port: int) -> App:
    from ministack.app import app as emulator

    from onramp.local.fakes.revenuecat import FakeRevenueCat
    from onramp.local.fakes.stripe import FakeStripe
    from onramp.local.gateway import embedded_metrics, replay_filters
    from onramp.local.gateway.app import Gateway
    from onramp.local.gateway.web_pages import WithoutWebPages

    shorten_poller_pause()
    embedded_metrics.install()
    replay_filters.install()
    fakes = {"stripe": FakeStripe(), "revenuecat": FakeRevenueCat()}
    return WithoutWebPages(Gateway(emulator, fakes, region), port)


def shorten_poller_pause() -> None:
    """The emulator's queue poller pauses for 50 ms after each invocation: half of a signup's time to `ready`."""
    from ministack.services import lambda_svc

    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = POLLER_PAUSE_SECONDS


async def serve(app: App, fd: int, scratch: str) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{fd}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.accesslog = None
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def stop_server() -> None:
        loop.call_soon_threadsafe(stop.set)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(target=_stop_with_parent, args=(stop_server, scratch), daemon=True).start()
    await hypercorn_serve(app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]


def _stop_with_parent(stop: Callable[[], None], scratch: str) -> None:
    """Stops the server when the parent ends; after STOP_WITHIN_SECONDS kills the whole process group."""
    sys.stdin.buffer.read()
    stop()
    time.sleep(STOP_WITHIN_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def clean_up(scratch: str) -> None:
    from ministack.core import lambda_runtime

    lambda_runtime.reset()
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
