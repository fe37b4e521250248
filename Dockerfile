# The image of Yett: one static binary under several names. Build the binary first (make build), then
#
#   docker build -t yett .                          distroless: CA certificates, time zones, no shell
#   docker build -t yett --build-arg FROM=scratch . nothing but the binary; needs no registry
#
# It runs as uid 101 and as any other, with a read-only root file system. To bind ports 80 and 443 it needs the
# capability NET_BIND_SERVICE and no other.
ARG FROM=gcr.io/distroless/static-debian12

FROM scratch AS layout
COPY bin/yett /yett
# The binary lays itself out: it has no shell to be helped by, and sets its own file capability.
RUN ["/yett", "layout", "/root"]

FROM ${FROM}
COPY --from=layout /root/ /
USER 101:82
EXPOSE 80 443 10254
ENTRYPOINT ["/yett"]
CMD ["controller"]
