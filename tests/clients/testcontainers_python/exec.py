"""Commands in a container that runs."""

from _env import sleeper
from testcontainers.core.container import ExecConfig

with sleeper() as container:
    result = container.exec("sh -c 'echo out; echo err >&2; exit 3'")
    # Two streams: each is in order, what comes first of them is open.
    assert (result.exit_code, sorted(result.output.split())) == (3, [b"err", b"out"]), result
    command = ["sh", "-c", "id -u; pwd; echo $WORD"]
    config = ExecConfig(command=command, user="1000", workdir="/tmp", environment={"WORD": "w"})
    result = container.exec(config)
    assert (result.exit_code, result.output) == (0, b"1000\n/tmp\nw\n"), result
    result = container.exec("no-such-program")
    assert result.exit_code == 127 and b"executable file not found" in result.output, result
