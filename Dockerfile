# syntax=docker/dockerfile:1
# The version that Cargo.toml names is the oldest that will do.
FROM rust:1.91-bookworm AS build
WORKDIR /src
COPY . .
# Dependencies and the target directory stay in the builder's cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin auth0-user-operator \
    && cp target/release/auth0-user-operator /auth0-user-operator

# glibc, root certificates and an account that is not root; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="auth0-user-operator" \
      org.opencontainers.image.description="Updates Auth0 users from Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /auth0-user-operator /usr/local/bin/auth0-user-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/auth0-user-operator"]
CMD ["run"]
