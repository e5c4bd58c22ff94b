# syntax=docker/dockerfile:1

# The builder and the final image are both Debian 12, so the binary finds the glibc that it was linked against.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay outside of the layers; the binary is therefore copied out within the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin sluicegate \
    && install -D -m 0755 target/release/sluicegate /out/sluicegate \
    # A volume takes owner and mode from the directory that it is mounted over: 65532 is `nonroot`.
    && install -d -m 0700 -o 65532 -g 65532 /out/data

# distroless/cc: glibc, libgcc and CA certificates, nothing else: no shell, no package manager, nothing to update but
# the image itself. `scratch` would need a musl build, whose allocator holds more memory under many threads.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/sluicegate /usr/local/bin/sluicegate
COPY --from=build --chown=65532:65532 /out/data /data

# In a container the port mapping decides who reaches a listener, so both listen on every interface. Publish 9001
# only where health and metrics may be read, and behind TLS if the admin API is used from elsewhere.
ENV SLUICEGATE_DATA_DIR=/data \
    SLUICEGATE_LISTEN=0.0.0.0:9000 \
    SLUICEGATE_ADMIN_LISTEN=0.0.0.0:9001
VOLUME ["/data"]
EXPOSE 9000 9001
USER nonroot:nonroot
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/sluicegate", "health"]
ENTRYPOINT ["/usr/local/bin/sluicegate"]
CMD ["serve"]
