# syntax=docker/dockerfile:1@sha256:2780b5c3bab67f1f76c781860de469442999ed1a0d7992a5efdf2cffc0e3d769
# A test holds the version against rust-toolchain.toml, and both stages to one Debian. Digests are those of the indexes of
# all platforms.
FROM rust:1.95.0-trixie@sha256:0861191076afc8e2dfcf0bec6ad6c2dec8494b3a1e9249729e1989690afed5ec AS build
WORKDIR /src
# Puts the list of crates into the binary: without it the image's SBOM would name Debian's packages only.
RUN cargo install --locked --version 0.7.7 cargo-auditable
# The dependencies are a layer: a cold builder gets layers back from a registry's cache, but never a cache mount.
COPY Cargo.toml Cargo.lock ./
COPY tests/auth0-sandbox/Cargo.toml tests/auth0-sandbox/
COPY tests/bench/Cargo.toml tests/bench/
COPY tests/lab/Cargo.toml tests/lab/
RUN for package in . tests/auth0-sandbox tests/bench tests/lab; do \
        mkdir -p $package/src && echo 'fn main() {}' > $package/src/main.rs && touch $package/src/lib.rs; \
    done \
    && cargo auditable build --locked --release --bin auth0-user-operator
COPY src src
# A checkout may be older than the layer above, and cargo goes by the time of a file.
RUN touch src/main.rs src/lib.rs \
    && cargo auditable build --locked --release --bin auth0-user-operator

# glibc, root certificates and an account that is not root; no shell.
FROM gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="auth0-user-operator" \
      org.opencontainers.image.description="Updates Auth0 users from Kubernetes resources" \
      org.opencontainers.image.source="https://github.com/example/auth0-user-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /src/target/release/auth0-user-operator /usr/local/bin/auth0-user-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/auth0-user-operator"]
CMD ["run"]
