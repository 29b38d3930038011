# What every script here begins with.

mkdir -p "$DOCKER_CONFIG/cli-plugins"
ln -sf "$COMPOSE_PLUGIN" "$DOCKER_CONFIG/cli-plugins/docker-compose"
export COMPOSE_PROJECT_NAME="${PREFIX}p"
unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_ENV_FILES

docker() { command "$DOCKER" "$@"; }
compose() { command "$DOCKER" compose "$@"; }

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# same WHAT FOUND WANTED
same() { [ "$2" = "$3" ] || fail "$1: found <$2>, wanted <$3>"; }

# has WHAT TEXT WORDS
has() { case "$2" in *"$3"*) ;; *) fail "$1: no <$3> in <$2>" ;; esac; }

# lacks WHAT TEXT WORDS
lacks() { case "$2" in *"$3"*) fail "$1: <$3> in <$2>" ;; esac; }

# refused WORDS COMMAND…: fails and says so
refused() {
    words=$1
    shift
    if said=$("$@" 2>&1); then fail "$* was not refused: $said"; fi
    has "$*" "$said" "$words"
}

# until COMMAND…: asks again until it succeeds; the harness ends what never does
until_ok() {
    while ! "$@" > /dev/null 2>&1; do sleep 0.1; done
}

# awaits WORDS FILE
awaits() {
    while ! grep -q -e "$1" "$2"; do sleep 0.1; done
}
