#!/usr/bin/env bash
# Loads an image of docker's into a new cluster of kind, has it update a user there, has kube-state-metrics tell of it, and
# deletes the cluster.
# usage: tests/kind/run.sh IMAGE
set -euo pipefail
cd "$(dirname "$0")/../.."
image=${1:?usage: tests/kind/run.sh IMAGE}
cluster=auth0-user-operator
folder=$(mktemp -d)
export KUBECONFIG="$folder/kubeconfig" PATH="$PWD/target/checkers:$PWD/target/control-plane:$PATH"
cleanup() {
    status=$?
    if [ "$status" -ne 0 ]; then
        kubectl get pods,auth0tenants,auth0userupdates --all-namespaces --output wide || true
        kubectl --namespace auth0-user-operator describe pods || true
        kubectl --namespace auth0-user-operator logs deployment/auth0-user-operator --tail=100 || true
    fi
    kind delete cluster --name "$cluster" || true
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT

cargo build --quiet --locked -p auth0-sandbox
# The name that the chart gets, by way of an archive: kind cannot load by name what was pulled by digest.
docker tag "$image" example.com/operator:trial
docker save --output "$folder/image.tar" example.com/operator:trial
kind create cluster --name "$cluster" --wait 120s
kind load image-archive --name "$cluster" "$folder/image.tar"
gateways=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}')
ADDRESS=$(grep --max-count=1 --fixed-strings . <<< "$gateways")
export ADDRESS STAND_IN="${CARGO_TARGET_DIR:-target}/debug/auth0-sandbox"
IMAGE_REPOSITORY=example.com/operator IMAGE_TAG=trial tests/kind/update-a-user.sh

kind get kubeconfig --internal --name "$cluster" > "$folder/internal"
# The container's user is not this one.
chmod 644 "$folder/internal"
KUBECONFIG="$folder/internal" NETWORK=kind tests/kind/read-metrics.sh
