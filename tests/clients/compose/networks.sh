# Networks: aliases, links, fixed addresses, internal ones, published ports.
. "$SCRIPTS/_env.sh"

last=$((PORT + 1))
octet=$((PORT / 10 % 200 + 20))
cat > compose.yaml <<EOF
services:
  web:
    image: $IMAGE
    command: sh -c 'mkdir /www; echo page > /www/index.html; httpd -f -p 80 -h /www'
    init: true
    hostname: named
    ports: ["127.0.0.1:$PORT:80", "127.0.0.1:$last:80/tcp", "127.0.0.1::81"]
    expose: ["8080"]
    networks:
      front: {aliases: [site, www.example]}
      fixed: {ipv4_address: 10.97.$octet.7}
    healthcheck: {test: "wget -q -O - http://127.0.0.1", interval: 1s, start_period: 60s, start_interval: 200ms}
  client:
    image: $IMAGE
    command: sleep 600
    init: true
    networks: [front]
    links: ["web:linked"]
    extra_hosts: ["elsewhere=10.1.2.3"]
  shut:
    image: $IMAGE
    command: sleep 600
    init: true
    networks: [inner]
  shares:
    image: $IMAGE
    command: sleep 600
    init: true
    network_mode: service:web
  none:
    image: $IMAGE
    command: sleep 600
    init: true
    network_mode: none
networks:
  front: {}
  fixed:
    name: ${PREFIX}fixed
    labels: {a.label: "yes"}
    ipam: {config: [{subnet: 10.97.$octet.0/24, gateway: 10.97.$octet.1}]}
  inner: {internal: true}
EOF
compose up -d --wait
for name in web site www.example linked; do
    same "$name" "$(compose exec -T client wget -q -O - "http://$name")" page
done
same address "$(docker inspect -f "{{(index .NetworkSettings.Networks \"${PREFIX}fixed\").IPAddress}}" "${PREFIX}p-web-1")" "10.97.$octet.7"
same label "$(docker network inspect -f '{{index .Labels "a.label"}}' "${PREFIX}fixed")" yes
has "extra host" "$(compose exec -T client cat /etc/hosts)" "10.1.2.3"
same hostname "$(compose exec -T web hostname)" named
same shared "$(compose exec -T shares wget -q -O - http://127.0.0.1)" page
same "no network" "$(compose exec -T none ls /sys/class/net)" lo
refused "bad address" compose exec -T shut wget -q -O - http://web
has "way out" "$(compose exec -T client ip route)" "default via"
lacks "way out of an internal network" "$(compose exec -T shut ip route)" default
refused "Network is unreachable" compose exec -T shut ping -c 1 -W 1 "10.97.$octet.7"
same published "$(curl -sS --fail "http://127.0.0.1:$PORT")" page
same "published too" "$(curl -sS --fail "http://127.0.0.1:$last")" page
same port "$(compose port web 80)" "127.0.0.1:$PORT"
case "$(compose port web 81)" in 127.0.0.1:[1-9]*) ;; *) fail "port 81: $(compose port web 81)" ;; esac
refused "no port" compose port web 99
has ps "$(compose ps web)" "127.0.0.1:$PORT->80/tcp"
# One of a name that is there belongs to someone else.
docker network create "${PREFIX}outer" > /dev/null
cat > other.yaml <<EOF
services:
  one: {image: $IMAGE, command: sleep 600, init: true, networks: [outer]}
networks:
  outer: {name: ${PREFIX}outer, external: true}
EOF
compose -p "${PREFIX}q" -f other.yaml up -d
compose -p "${PREFIX}q" -f other.yaml down -t 0
docker network inspect "${PREFIX}outer" > /dev/null
compose down -t 0
same gone "$(docker network ls -q --filter "name=${PREFIX}fixed")" ""
