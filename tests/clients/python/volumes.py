"""Volumes: made, mounted, shared, listed, removed."""

from _env import client, image, prefix, refused, said
from docker import errors, types

volume = client.volumes.create(prefix + "v", driver="local", labels={"a.label": "yes"})
assert volume.attrs["Scope"] == "local" and volume.attrs["Labels"] == {"a.label": "yes"}
assert [found.name for found in client.volumes.list(filters={"name": prefix + "v", "label": "a.label"})] == [volume.name]
# One that is there is given again.
assert client.volumes.create(prefix + "v").attrs["CreatedAt"] == volume.attrs["CreatedAt"]

writer = client.containers.run(image, ["sh", "-c", "echo kept > /data/file"], name=prefix + "w", volumes={volume.name: {"bind": "/data", "mode": "rw"}}, detach=True)
assert writer.wait()["StatusCode"] == 0
mounts = [types.Mount("/data", volume.name, type="volume", read_only=True), types.Mount("/scratch", None, type="tmpfs", tmpfs_size=1 << 20)]
reader = client.containers.run(image, ["sleep", "600"], init=True, name=prefix + "r", mounts=mounts, detach=True)
assert said(reader, "cat /data/file") == b"kept\n"
assert b"Read-only file system" in said(reader, "touch /data/other")
assert {mount["Destination"]: mount["RW"] for mount in reader.attrs["Mounts"] if mount["Type"] == "volume"} == {"/data": False}
inherited = client.containers.run(image, "cat /data/file", volumes_from=[writer.id], remove=True)
assert inherited == b"kept\n"

refused(errors.APIError, "volume is in use", volume.remove)
refused(errors.NotFound, f"get {prefix}none: no such volume", client.volumes.get, prefix + "none")
refused(errors.APIError, "includes invalid characters for a local volume name", client.volumes.create, "bad/name")
reader.remove(force=True)
writer.remove()
volume.remove()

anonymous = client.containers.create(image, name=prefix + "a", volumes=["/data"])
anonymous.start()
anonymous.wait()
anonymous.reload()
(mount,) = anonymous.attrs["Mounts"]
assert (mount["Type"], mount["Destination"]) == ("volume", "/data")
anonymous.remove(v=True)
refused(errors.NotFound, "no such volume", client.volumes.get, mount["Source"].split("/")[-2])
client.volumes.create(prefix + "unused", labels={prefix + "prune": ""})
pruned = client.volumes.prune(filters={"all": True, "label": prefix + "prune"})
assert pruned["VolumesDeleted"] == [prefix + "unused"] and "SpaceReclaimed" in pruned
