"""Images that are built for a test and removed after it."""

import pathlib

from _env import image, prefix
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

folder = pathlib.Path("context")
folder.mkdir()
(folder / "file").write_text("content")
(folder / "Dockerfile").write_text(f"FROM {image}\nARG WHO=nobody\nCOPY file /file\nRUN echo $WHO >/who\n")
with DockerImage(path=folder, tag=f"{prefix}built:1", buildargs={"WHO": "me"}) as built:
    assert "Step 1/4 : FROM " in "".join(line.get("stream", "") for line in built.get_logs())
    with DockerContainer(str(built)).with_command("sleep 9999") as container:
        assert container.exec("cat /who /file").output == b"me\ncontent"
