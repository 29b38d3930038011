cask "berth-app" do
  version "@VERSION@"
  sha256 "@SHA256:berth-@VERSION@-macos-universal.dmg@"

  url "@DOWNLOADS@/berth-@VERSION@-macos-universal.dmg"
  name "Berth"
  desc "Containers in a small machine of their own, for docker as it is"
  homepage "@DOWNLOADS@"

  depends_on macos: ">= :monterey"

  app "Berth.app"
  contents = "#{appdir}/Berth.app/Contents"
  binary "#{contents}/MacOS/berth"
  binary "#{contents}/MacOS/docker-credential-berth"
  bash_completion "#{contents}/Resources/completions/berth.bash"
  fish_completion "#{contents}/Resources/completions/berth.fish"
  zsh_completion "#{contents}/Resources/completions/_berth"
  manpage "#{contents}/Resources/man/man1/berth.1.gz"

  uninstall quit: "app.berth.desktop"

  zap trash: [
    "~/Library/Application Support/berth",
    "~/Library/Caches/berth",
  ]

  caveats "Run `berth uninstall` before you uninstall it: that ends all machines, and removes the contexts of docker's that lead to them."
end
