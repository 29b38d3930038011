# A Dockerfile with an ignore file of its own, in place of the context's.
FROM busybox
COPY . /c
