# What cannot be: the engine's own words arrive, and nothing half-made stays.
. "$SCRIPTS/_env.sh"

write() { cat > compose.yaml; }

write <<EOF
services: {one: {image: $IMAGE, command: no-such-program}}
EOF
refused 'exec: "no-such-program": executable file not found in $PATH' compose up -d
compose down

docker run -d --init --name "${PREFIX}holder" -p "127.0.0.1:$PORT:80" "$IMAGE" sleep 600 > /dev/null
write <<EOF
services: {one: {image: $IMAGE, command: sleep 600, init: true, ports: ["127.0.0.1:$PORT:80"]}}
EOF
refused "port is already allocated" compose up -d
compose down

write <<EOF
services: {one: {image: $IMAGE, command: sleep 600, init: true, container_name: ${PREFIX}holder}}
EOF
refused 'Conflict. The container name "/'"${PREFIX}holder"'" is already in use' compose up -d
compose down

write <<EOF
services: {one: {image: $IMAGE, networks: [lost]}}
networks: {lost: {name: ${PREFIX}lost, external: true}}
EOF
refused "network ${PREFIX}lost declared as external, but could not be found" compose up -d

write <<EOF
services: {one: {image: $IMAGE, networks: {a: {ipv4_address: 10.99.0.9}}}}
networks: {a: {ipam: {config: [{subnet: 10.98.$((PORT / 10 % 200)).0/24}]}}}
EOF
refused "no configured subnet or ip-range contain the IP address 10.99.0.9" compose up -d
compose down

write <<EOF
services: {one: {image: $IMAGE, command: sleep 600, user: nobody-here}}
EOF
refused "unable to find user nobody-here" compose up -d
compose down

write <<EOF
services: {one: {image: $IMAGE, command: sleep 600, init: true, volumes: ["relative:sub"]}}
EOF
refused 'service "one" refers to undefined volume relative' compose up -d
same nothing "$(docker ps -aq --filter "name=${PREFIX}p")" ""
