"""A named volume: what one container writes, the next one reads, and may not write when it is told so."""

import docker
from _env import prefix, sleeper

name = f"{prefix}-kept"
with sleeper().with_volume_mapping(name, "/data", "rw") as container:
    assert container.exec(["sh", "-c", "echo kept >/data/file"]).exit_code == 0
with sleeper().with_volume_mapping(name, "/data") as container:
    assert container.exec("cat /data/file").output == b"kept\n"
    refused = container.exec(["sh", "-c", "echo lost >/data/file"])
    assert refused.exit_code != 0 and b"Read-only file system" in refused.output
docker.from_env().volumes.get(name).remove()
