FROM busybox
ONBUILD COPY --from=build /out/ /srv/
