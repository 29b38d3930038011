#!/bin/sh
# What a build of this corpus needs of bundler.
set -eu
case $1 in
    install) sed -n 's/^    \([a-z]*\) (.*/\1/p' Gemfile.lock | while read -r gem; do
        mkdir -p "$BUNDLE_PATH/ruby/3.4.0/gems/$gem" "$BUNDLE_PATH/ruby/3.4.0/cache"
        echo "$gem" >"$BUNDLE_PATH/ruby/3.4.0/gems/$gem/$gem.rb"
        echo "$gem" >"$BUNDLE_PATH/ruby/3.4.0/cache/$gem.gem"
    done ;;
    exec) mkdir -p public/assets && cat app/assets/* | sha256sum | cut -c1-8 >public/assets/manifest ;;
esac
