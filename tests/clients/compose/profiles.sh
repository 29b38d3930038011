# Profiles, several files, limits and what a service is made of, and services that are no longer there.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
    container_name: ${PREFIX}named
    labels: {a.label: "yes"}
    user: "1000:1000"
    working_dir: /tmp
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
    security_opt: ["no-new-privileges:true"]
    ulimits: {nofile: {soft: 100, hard: 200}}
    sysctls: {net.ipv4.ip_unprivileged_port_start: "80"}
    shm_size: 16m
    stop_signal: SIGINT
    dns: [10.9.9.9]
    dns_search: [example]
    logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
    env_file: [values]
    environment: {B: over}
    pid: host
    ipc: private
  extra:
    image: $IMAGE
    command: sleep 600
    init: true
    profiles: [extra]
EOF
cat > more.yaml <<EOF
services:
  extra: {environment: {FROM: more}}
  third: {image: $IMAGE, command: sleep 600, init: true}
EOF
printf 'A=file\nB=file\n' > values
compose up -d
same "without profile" "$(compose ps -q extra 2> /dev/null)" ""
same user "$(compose exec -T one sh -c 'echo $(id -u) $(pwd) $A $B')" "1000 /tmp file over"
same ulimit "$(compose exec -T one sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)')" "100 200"
same sysctl "$(compose exec -T one cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 80
same capabilities "$(docker inspect -f '{{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}}' "${PREFIX}named")" "[ALL] [CAP_NET_BIND_SERVICE]"
has dns "$(compose exec -T one cat /etc/resolv.conf)" "search example"
same log "$(docker inspect -f '{{.HostConfig.LogConfig.Type}}' "${PREFIX}named")" json-file
hosts=$(docker run --rm --pid host "$IMAGE" readlink /proc/self/ns/pid)
same "pids of the host" "$(compose exec -T one readlink /proc/self/ns/pid)" "$hosts"
[ "$hosts" != "$(docker run --rm "$IMAGE" readlink /proc/self/ns/pid)" ] || fail "every container has the pids of the host"
compose --profile extra -f compose.yaml -f more.yaml up -d
same "with profile" "$(compose --profile extra exec -T extra sh -c 'echo $FROM')" more
said=$(compose up -d 2>&1)
has orphans "$said" "Found orphan containers"
compose up -d --remove-orphans
same "no orphans" "$(docker ps -aq --filter "name=${PREFIX}p-third")" ""
compose --profile extra down -t 0
same down "$(docker ps -aq --filter "name=$PREFIX")" ""
has config "$(compose config --services)" one
