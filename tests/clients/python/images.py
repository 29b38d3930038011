"""Images: listed, tagged, pushed, pulled, saved, loaded, made from containers, removed."""

from _env import client, image, prefix, refused, registry
from docker import errors

busybox = client.images.get(image)
assert any(tag.startswith("busybox:") for tag in busybox.tags)
assert busybox.id in [found.id for found in client.images.list()]
assert busybox.history()[0]["Size"] >= 0
assert busybox.attrs["Architecture"] and busybox.attrs["RootFS"]["Type"] == "layers"

repository = f"{registry}/{prefix}image"
assert busybox.tag(repository, "1")
steps = list(client.images.push(repository, tag="1", stream=True, decode=True))
digest = [step["aux"]["Digest"] for step in steps if "aux" in step]
assert len(digest) == 1 and digest[0].startswith("sha256:"), steps
client.images.remove(f"{repository}:1")
refused(errors.ImageNotFound, "No such image", client.images.get, f"{repository}:1")
pulled = client.images.pull(repository, tag="1")
assert pulled.id == busybox.id and f"{repository}@{digest[0]}" in pulled.attrs["RepoDigests"]

container = client.containers.run(image, ["sh", "-c", "echo made > /made"], name=prefix + "a", detach=True)
container.wait()
made = container.commit(f"{prefix}made", tag="1", message="why", author="who", changes=['CMD ["cat", "/made"]', "LABEL a=b"])
assert client.containers.run(f"{prefix}made:1", remove=True) == b"made\n"
assert made.attrs["Author"] == "who" and made.labels["a"] == "b"
assert [found.id for found in client.images.list(filters={"label": "a=b", "reference": f"{prefix}made"})] == [made.id]

saved = b"".join(made.save(named=f"{prefix}made:1"))
client.images.remove(f"{prefix}made:1")
loaded = client.images.load(saved)
assert [found.tags for found in loaded] == [[f"{prefix}made:1"]]

exported = b"".join(container.export())
said = client.api.import_image_from_data(exported, repository=f"{prefix}flat", tag="1")
assert "sha256:" in said
assert client.containers.run(f"{prefix}flat:1", "cat /made", remove=True) == b"made\n"

refused(errors.APIError, "manifest unknown", client.images.pull, f"{registry}/{prefix}none", tag="1")
refused(errors.ImageNotFound, "No such image: none-such:latest", client.images.remove, "none-such")
holder = client.containers.create(f"{prefix}made:1", name=prefix + "holder")
refused(errors.APIError, "conflict: unable to remove repository reference", client.images.remove, f"{prefix}made:1")
holder.remove()
refused(errors.APIError, "invalid reference format", client.api.tag, image, "Bad Name")
for name in [f"{prefix}made:1", f"{prefix}flat:1", f"{repository}:1"]:
    client.images.remove(name)
assert client.images.prune(filters={"label": prefix})["ImagesDeleted"] is None
