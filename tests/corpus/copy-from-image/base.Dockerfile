FROM busybox
RUN echo made >/made && chown 8:9 /made
