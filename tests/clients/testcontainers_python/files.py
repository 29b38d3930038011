"""Files and folders into a container before and after its start, and out of it; mounts in memory."""

import pathlib

from _env import sleeper

tree = pathlib.Path("tree")
tree.mkdir()
(tree / "leaf").write_text("green")
with sleeper().with_copy_into_container(tree, "/data").with_tmpfs_mount("/scratch", "size=1m") as container:
    assert container.exec("cat /data/tree/leaf").output == b"green"
    container.copy_into_container(b"#!/bin/sh\necho ran\n", "/run-me", 0o755)
    assert container.exec("/run-me").output == b"ran\n"
    container.copy_from_container("/data/tree/leaf", pathlib.Path("back"))
    assert pathlib.Path("back").read_text() == "green"
    assert b"tmpfs on /scratch" in container.exec("mount").output
