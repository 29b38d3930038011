# What every script here begins with.

mkdir -p "$DOCKER_CONFIG/cli-plugins"
ln -sf "$COMPOSE_PLUGIN" "$DOCKER_CONFIG/cli-plugins/docker-compose"
ln -sf "$BUILDX_PLUGIN" "$DOCKER_CONFIG/cli-plugins/docker-buildx"
unset COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PROFILES COMPOSE_ENV_FILES

mkdir -p project/.devcontainer tmp
# Of the files that it never removes.
export TMPDIR="$PWD/tmp"

docker() { command "$DOCKER" "$@"; }

# The client begins `docker events` beside `docker run`, and waits for ever where the container has started before anybody listens. So events
# are asked for from the moment on in which it begins.
cat > tmp/docker <<EOF
#!/bin/sh
[ "\$1" = events ] && shift && exec "$DOCKER" events --since "\$(date +%s.%N)" "\$@"
exec "$DOCKER" "\$@"
EOF
chmod +x tmp/docker

# dev VERB WORDS…: what it prints is its answer, JSON but for `exec`; what it says meanwhile goes to the log.
dev() {
    verb=$1
    shift
    "$DEVCONTAINER" "$verb" --docker-path "$PWD/tmp/docker" --workspace-folder project "$@"
}

# Removes what the client never does.
tidy() { docker ps -aq --filter "label=devcontainer.local_folder=$PWD/project" | xargs -r "$DOCKER" rm -fv > /dev/null; }
trap tidy EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# same WHAT FOUND WANTED
same() { [ "$2" = "$3" ] || fail "$1: found <$2>, wanted <$3>"; }

# has WHAT TEXT WORDS
has() { case "$2" in *"$3"*) ;; *) fail "$1: no <$3> in <$2>" ;; esac; }
