"""What a container says: read at once by its two streams, and followed to the end."""

from _env import image
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

command = ["sh", "-c", "trap 'echo last; exit' TERM; echo said; echo erred >&2; while :; do sleep 0.1; done"]
with DockerContainer(image).with_command(command).waiting_for(LogMessageWaitStrategy("erred")) as container:
    assert container.get_logs() == (b"said\n", b"erred\n")
    followed = container.get_wrapped_container().logs(stream=True, follow=True, stderr=False)
    assert next(followed) == b"said\n"
    container.get_wrapped_container().kill("TERM")
    assert b"".join(followed) == b"last\n"
    assert container.get_logs() == (b"said\nlast\n", b"erred\n")
