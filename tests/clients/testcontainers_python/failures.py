"""What a test is told when its container does not come up."""

import docker
from _env import image, prefix, sleeper
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy, LogMessageWaitStrategy


def refused(error, words, container):
    """Starting it raises `error` with `words` in it or in what is noted beside it."""
    try:
        with container:
            raise AssertionError(f"{words}: it started")
    except error as caught:
        text = str(caught) + "".join(getattr(caught, "__notes__", []))
        assert words in text, f"no <{words}> in <{text}>"


late = DockerContainer(image).with_command(["sh", "-c", "echo the reason; sleep 9999"])
refused(TimeoutError, "the reason", late.waiting_for(LogMessageWaitStrategy("never said").with_startup_timeout(2)))
refused(RuntimeError, "No health check configured", sleeper().waiting_for(HealthcheckWaitStrategy()))
refused(docker.errors.APIError, f"{prefix}nobodys", DockerContainer(f"{prefix}nobodys:1"))
refused(docker.errors.APIError, "executable file not found", DockerContainer(image).with_command("no-such-program"))
name = prefix + "taken"
with sleeper().with_name(name):
    refused(docker.errors.APIError, f'The container name "/{name}" is already in use', sleeper().with_name(name))
