# A feature that is published to a registry, and installed from there.
. "$SCRIPTS/_env.sh"

registry="localhost:${REGISTRY##*:}"
mkdir -p src/tool
cat > src/tool/devcontainer-feature.json <<EOF
{ "id": "tool", "version": "1.2.3", "name": "A tool", "options": { "says": { "type": "string", "default": "nothing" } } }
EOF
cat > src/tool/install.sh <<EOF
#!/bin/sh
printf '#!/bin/sh\necho %s\n' "\$SAYS" > /usr/bin/tool
chmod +x /usr/bin/tool
EOF
"$DEVCONTAINER" features publish --registry "$registry" --namespace "${PREFIX}features" src > published

# configure VERSION
configure() {
    cat > project/.devcontainer/devcontainer.json <<EOF
{ "image": "$IMAGE", "remoteUser": "root", "runArgs": ["--name=${PREFIX}dev"],
  "features": { "$registry/${PREFIX}features/tool:$1": { "says": "hello" } } }
EOF
}

configure 1
has up "$(dev up)" '"outcome":"success"'
same tool "$(dev exec tool)" hello

configure 2
code=0
dev up --remove-existing-container > said 2> log || code=$?
same code "$code" 1
has failure "$(cat said)" '"outcome":"error"'
