# Commands in running services, and services run once.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
    environment: {FROM: file}
  once:
    image: $IMAGE
    command: echo default
    depends_on: [one]
    profiles: [manual]
EOF
compose up -d one
same output "$(compose exec -T one echo hello)" hello
same environment "$(compose exec -T -e MORE=1 one sh -c 'echo $FROM$MORE')" file1
same user "$(compose exec -T -u 1000:1001 one sh -c 'echo $(id -u):$(id -g)')" 1000:1001
same folder "$(compose exec -T -w /tmp one pwd)" /tmp
same input "$(echo typed | compose exec -T one cat)" typed
code=0
compose exec -T one sh -c 'exit 7' || code=$?
same code "$code" 7
code=0
compose exec -T one no-such-program > said 2>&1 || code=$?
same missing "$code" 127
has missing "$(cat said)" "executable file not found"
compose exec -d one sh -c 'echo done > /tmp/done'
until_ok compose exec -T one test -s /tmp/done
has top "$(compose top one)" "sleep 600"

same run "$(compose run --rm -T once 2> /dev/null)" default
same overridden "$(compose run --rm -T -e A=b --entrypoint sh once -c 'echo $A' 2> /dev/null)" b
code=0
compose run --rm -T once sh -c 'exit 5' 2> /dev/null || code=$?
same "code of run" "$code" 5
same piped "$(echo fed | compose run --rm -T once cat 2> /dev/null)" fed
same left "$(docker ps -aq --filter "label=com.docker.compose.oneoff=True" --filter "name=$PREFIX")" ""
refused 'service "none" is not running' compose exec -T none true
compose down
