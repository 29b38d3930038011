FROM busybox
ONBUILD ARG A=argument
ONBUILD COPY file /triggered/
ONBUILD RUN echo "trigger $A" >>/log
ONBUILD ENV TRIGGERED=yes
ONBUILD WORKDIR /by/trigger
ONBUILD RUN <<END
pwd >>/log
END
