# Volumes of all kinds, configs and secrets.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
    volumes:
      - data:/data
      - /anonymous
      - {type: volume, source: data, target: /part, read_only: true, volume: {nocopy: true}}
    configs:
      - {source: words, target: /etc/words, mode: 0440, uid: "12"}
    secrets: [hidden]
  two:
    image: $IMAGE
    command: sleep 600
    init: true
    read_only: true
    volumes: [{type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}]
    volumes_from: ["one:ro"]
volumes:
  data: {labels: {a.label: "yes"}}
configs:
  words: {content: "some words"}
secrets:
  hidden: {environment: HIDDEN}
EOF
export HIDDEN=unseen
compose up -d
compose exec -T one sh -c 'echo kept > /data/file'
same shared "$(compose exec -T two cat /data/file)" kept
refused "Read-only file system" compose exec -T two touch /other
refused "Read-only file system" compose exec -T one touch /part/other
same tmpfs "$(compose exec -T two sh -c 'df -k /scratch | tail -1 | tr -s " " | cut -d" " -f2')" 1024
same config "$(compose exec -T one cat /etc/words)" "some words"
same "mode of the config" "$(compose exec -T one stat -c '%a %u' /etc/words)" "440 12"
same secret "$(compose exec -T one cat /run/secrets/hidden)" unseen
same label "$(docker volume inspect -f '{{index .Labels "a.label"}}' "${PREFIX}p_data")" yes
has volumes "$(compose volumes -q)" "${PREFIX}p_data"
# Made again, its volumes stay, the anonymous one too.
compose exec -T one touch /anonymous/mark
compose up -d --force-recreate -t 0
compose exec -T one test -e /anonymous/mark
compose up -d --force-recreate -V -t 0
refused "exit status 1" compose exec -T one sh -c 'test -e /anonymous/mark || { echo exit status 1; exit 1; }'
compose down -t 0
same kept "$(docker volume ls -q --filter "name=${PREFIX}p_data")" "${PREFIX}p_data"
compose up -d
same "after down" "$(compose exec -T one cat /data/file)" kept
compose down -t 0 -v
same removed "$(docker volume ls -q --filter "name=${PREFIX}p_data")" ""
cat > lost.yaml <<EOF
services:
  one: {image: $IMAGE, volumes: ["lost:/lost"]}
volumes:
  lost: {name: ${PREFIX}lost, external: true}
EOF
refused 'external volume "'"${PREFIX}lost"'" not found' compose -f lost.yaml up -d
