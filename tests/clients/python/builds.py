"""Images from Dockerfiles: of a folder, a file and an archive; arguments, stages, caches; what fails."""

import io
import pathlib
import tarfile

from _env import client, image, prefix, refused
from docker import errors

folder = pathlib.Path("context")
(folder / "sub").mkdir(parents=True)
(folder / "sub" / "file").write_text("content")
(folder / "left.out").write_text("")
(folder / ".dockerignore").write_text("*.out\n")
(folder / "Dockerfile").write_text(
    f"FROM {image} AS base\nARG WHO=nobody\nRUN echo $WHO >/who\nFROM base\nCOPY . /app\nCMD cat /who /app/sub/file; ls /app\n"
)
tag = f"{prefix}built:1"
built, said = client.images.build(
    path=str(folder), tag=tag, rm=True, buildargs={"WHO": "me"}, labels={"a": "b"}, extra_hosts={"mine": "10.0.0.1"}
)
assert tag in built.tags and built.labels["a"] == "b"
said = "".join(line.get("stream", "") for line in said)
assert "Step 1/7 : FROM " in said and f"Successfully tagged {tag}" in said, said
assert client.containers.run(tag, remove=True) == b"me\ncontentDockerfile\nsub\n"
again, said = client.images.build(path=str(folder), buildargs={"WHO": "me"}, labels={"a": "b"}, cache_from=[tag])
assert again.id == built.id and sum(line.get("stream") == " ---> Using cache\n" for line in said) == 5
target, _ = client.images.build(path=str(folder), target="base", tag=f"{prefix}base:1", nocache=True)
assert client.containers.run(target.id, ["cat", "/who"], remove=True) == b"nobody\n"

alone, _ = client.images.build(fileobj=io.BytesIO(f"FROM {image}\nENV A=b\n".encode()), tag=f"{prefix}alone:1")
assert "A=b" in alone.attrs["Config"]["Env"]

packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as archive:
    for name, text in [("My.dockerfile", f"FROM {image}\nADD inner.tar /x\n"), ("inner.tar", None)]:
        content = io.BytesIO(text.encode() if text else b"")
        if text is None:
            with tarfile.open(fileobj=content, mode="w") as inner:
                inner.add(folder / "sub" / "file", "unpacked")
        found = tarfile.TarInfo(name)
        found.size = len(content.getvalue())
        content.seek(0)
        archive.addfile(found, content)
packed.seek(0)
options = {"custom_context": True, "encoding": "gzip", "dockerfile": "My.dockerfile"}
client.images.build(fileobj=packed, tag=f"{prefix}packed:1", **options)
assert client.containers.run(f"{prefix}packed:1", "cat /x/unpacked", remove=True) == b"content"

failing = io.BytesIO(f"FROM {image}\nRUN echo why; exit 3\n".encode())
failed = refused(errors.BuildError, "returned a non-zero code: 3", client.images.build, fileobj=failing, forcerm=True)
assert "why\n" in [line.get("stream") for line in failed.build_log]
wrong = io.BytesIO(f"FROM {image}\nRUNN x\n".encode())
refused(errors.APIError, "unknown instruction: RUNN (did you mean RUN?)", client.images.build, fileobj=wrong)
