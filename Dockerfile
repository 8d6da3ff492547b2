# syntax=docker/dockerfile:1
# The image of postern: one binary, no shell needed, a read-only root, one volume for the embedded store.
#
#   docker build -t postern .
#   docker run --read-only -v postern-data:/var/lib/postern -v ./routes.yaml:/etc/postern/routes.yaml:ro -p 8080:8080 \
#       postern serve --upstream http://service:8000 --policy /etc/postern/routes.yaml
#
# Without a policy it does not start, and says what the smallest one is.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src

# A C compiler, CMake and make, as everywhere else that postern is built.
COPY scripts/need.sh scripts/need.sh
RUN bash scripts/need.sh build

# Dependencies first, in a layer of their own that changes only with the manifest: built for an empty crate. Benches are left
# out of the manifest here, since their files are not there.
COPY Cargo.toml Cargo.lock ./
RUN sed -i '/^\[\[bench\]\]/,/^$/d' Cargo.toml \
    && mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin postern

COPY Cargo.toml askama.toml ./
COPY src src
COPY migrations migrations
# Cargo goes by times, and the files' may be older than the empty crate's.
RUN sed -i '/^\[\[bench\]\]/,/^$/d' Cargo.toml \
    && touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin postern

FROM debian:bookworm-slim
# The embedded store, and what SQLite may have to put aside.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/postern
COPY --from=build /src/target/release/postern /usr/local/bin/postern
COPY deploy/postern.yaml /etc/postern/postern.yaml
ENV POSTERN_CONFIG=/etc/postern/postern.yaml
ENV SQLITE_TMPDIR=/var/lib/postern
USER 65532:65532
VOLUME /var/lib/postern
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/postern", "health"]
ENTRYPOINT ["/usr/local/bin/postern"]
CMD ["serve"]
