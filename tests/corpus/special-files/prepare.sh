mkdir pipes; mkfifo -m 640 pipes/pipe; mknod pipes/null c 1 3
