# Files in and out, of one replica and of all.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
    scale: 2
EOF
compose up -d
mkdir -p in/deep
echo content > in/deep/file
ln -s deep/file in/link
compose cp in one:/tmp/
same "first replica" "$(compose exec -T --index 1 one cat /tmp/in/link)" content
same "second replica" "$(compose exec -T --index 2 one cat /tmp/in/deep/file)" content
compose cp --index 2 one:/tmp/in/deep out
same "read back" "$(cat out/file)" content
same streamed "$(compose cp --index 1 one:/tmp/in/deep/file - | tar -xO)" content
tar -c -C in deep | compose cp --index 1 - one:/home
same "from a stream" "$(compose exec -T one cat /home/deep/file)" content
refused "Could not find the file /none in container" compose cp one:/none .
refused "no container found for service" compose cp none:/etc/hostname .
compose down
