"""Archives in and out of containers, running or not."""

import io
import tarfile

from _env import client, image, prefix, refused, said
from docker import errors


def packed(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), 0o640, 12
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def unpacked(chunks):
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return {m.name: archive.extractfile(m).read() if m.isfile() else None for m in archive.getmembers()}


container = client.containers.create(image, ["sleep", "600"], init=True, name=prefix + "a")
large = bytes(range(256)) * 40_000
assert container.put_archive("/tmp", packed(small=b"content", large=large))
chunks, stat = container.get_archive("/tmp/large")
assert unpacked(chunks) == {"large": large}
assert (stat["name"], stat["size"], stat["mode"] & 0o777, stat["linkTarget"]) == ("large", len(large), 0o640, "")
container.start()
assert said(container, "stat -c '%a %u' /tmp/small") == b"640 12\n"
assert container.put_archive("/root", packed(more=b"running"))
assert said(container, "cat /root/more") == b"running"
assert container.exec_run("ln -s /tmp/small /link").exit_code == 0
_, stat = container.get_archive("/link")
assert stat["linkTarget"] == "/tmp/small"
assert set(unpacked(container.get_archive("/tmp")[0])) == {"tmp", "tmp/small", "tmp/large"}
everything = {m["Path"] for m in container.diff()}
assert "/root/more" in everything and "/link" in everything
assert "root/more" in unpacked(container.export())

refused(errors.NotFound, "Could not find the file /none in container", container.get_archive, "/none")
refused(errors.NotFound, "Could not find the file /none in container", container.put_archive, "/none", packed(a=b""))
refused(errors.APIError, "extraction point is not a directory", container.put_archive, "/tmp/small", packed(a=b""))
