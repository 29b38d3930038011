"""Waiting for a container: its port, its log, a page, a command, its health."""

from _env import PAGE, page, server
from docker.types import Healthcheck
from testcontainers.core.wait_strategies import (
    CompositeWaitStrategy,
    ContainerStatusWaitStrategy,
    ExecWaitStrategy,
    HealthcheckWaitStrategy,
    HttpWaitStrategy,
    LogMessageWaitStrategy,
    PortWaitStrategy,
)

served = HttpWaitStrategy(8080).for_status_code(200).for_response_predicate(lambda body: body == PAGE.decode())
for strategy in (
    PortWaitStrategy(8080),
    served,
    ExecWaitStrategy(["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]),
    CompositeWaitStrategy(LogMessageWaitStrategy("serving"), HttpWaitStrategy(8080)),
):
    with server().waiting_for(strategy.with_startup_timeout(120)) as container:
        assert strategy is not served or page(container) == PAGE

for strategy in (ContainerStatusWaitStrategy(), LogMessageWaitStrategy("serving")):
    with server().waiting_for(strategy.with_startup_timeout(120)) as container:
        assert container.get_container_info().State.Status == "running"

probe = Healthcheck(test=["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval=10**9)
healthy = HealthcheckWaitStrategy().with_startup_timeout(120)
with server().with_kwargs(healthcheck=probe).waiting_for(healthy) as container:
    container.reload()
    assert container.get_wrapped_container().health == "healthy"
    assert page(container) == PAGE
