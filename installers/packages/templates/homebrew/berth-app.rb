cask "berth-app" do
  version "@VERSION@"
  sha256 "@SHA256:berth-@VERSION@-macos-@MACS@.dmg@"

  url "@DOWNLOADS@/berth-@VERSION@-macos-@MACS@.dmg"
  name "Berth"
  desc "Containers in a small machine of their own, for docker as it is"
  homepage "@DOWNLOADS@"

  # The app itself wants @OLDEST@; minor versions of macOS cannot be asked for.
  depends_on macos: ">= :monterey"@ARCH@

  app "Berth.app"
  contents = "#{appdir}/Berth.app/Contents"
  binary "#{contents}/MacOS/berth"
  binary "#{contents}/MacOS/docker-credential-berth"
  bash_completion "#{contents}/Resources/completions/berth.bash"
  fish_completion "#{contents}/Resources/completions/berth.fish"
  zsh_completion "#{contents}/Resources/completions/_berth"
@PAGES@

  uninstall quit: "app.berth.desktop"

  zap trash: [
    "~/Library/Application Support/berth",
    "~/Library/Caches/berth",
  ]

  caveats <<~EOS
    Berth needs macOS @OLDEST@ or newer.
    Run `berth uninstall` before you uninstall it: that ends all machines, and removes the contexts of docker's that lead to them.
  EOS
end
