"""The backends of the contract suite, and their known deviations from AWS."""

from collections.abc import Generator, Iterator

import pytest

from tests.contracts import backends
from tests.contracts.backends import Backend, BotoBackend, FakeBackend


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The test of a known deviation must fail on that backend; if it passes, its mark is obsolete."""
    name, reason = _deviation(pyfuncitem)
    if not reason:
        return (yield)
    try:
        yield
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - a backend may fail in any way
        return True
    return pytest.fail(f"{name} no longer deviates from AWS, remove its mark: {reason}")


def _deviation(item: pytest.Function) -> tuple[str, str]:
    name = str(item.callspec.params.get("backend", "")) if hasattr(item, "callspec") else ""
    reasons = [marker.kwargs[name] for marker in item.iter_markers("deviates") if name in marker.kwargs]
    return name, reasons[0] if reasons else ""


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotoBackend]:
    with backends.emulator(tmp_path_factory.mktemp("emulator")) as backend:
        yield backend


@pytest.fixture(scope="module", params=["fake", "moto", "emulator"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "fake":
        yield FakeBackend()
    elif request.param == "moto":
        with backends.moto() as moto:
            yield moto
    else:
        yield request.getfixturevalue("emulator")
