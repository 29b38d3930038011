class Berth < Formula
  desc "Containers in a small machine of their own, for docker as it is"
  homepage "@DOWNLOADS@"
  version "@VERSION@"
  license "Apache-2.0"

  # Linux alone: on macOS the app is a cask.
  depends_on :linux
  depends_on arch: :x86_64
  depends_on "qemu"

  url "@DOWNLOADS@/berth-@VERSION@-linux-x86_64.tar.gz"
  sha256 "@SHA256:berth-@VERSION@-linux-x86_64.tar.gz@"

  def install
    prefix.install Dir["*"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/berth version")
  end
end
