#!/usr/bin/env bash
# Has kube-state-metrics read deploy/monitoring/kube-state-metrics.yaml and the resources of update-a-user.sh, and checks that it
# serves what docs/operations.md describes. CI and the release run it on kind; a test plays it without docker.
#   KUBECONFIG   how a container on docker's network NETWORK reaches the cluster
set -euo pipefail
cd "$(dirname "$0")/../.."
image=registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0@sha256:1545919b72e3ae035454fc054131e8d0f14b42ef6fc5b2ad5c751cafa6b2130e
container=auth0-user-operator-state
metrics=$(mktemp)
cleanup() {
    status=$?
    if [ "$status" -ne 0 ]; then
        docker logs "$container" || true
        grep '^kube_auth0userupdate_status_condition{' "$metrics" || true
    fi
    docker rm --force "$container" >/dev/null || true
    rm -f "$metrics"
    exit "$status"
}
trap cleanup EXIT

docker run --detach --name "$container" --network "${NETWORK:?}" --publish 127.0.0.1::8080 \
    --volume "${KUBECONFIG:?}:/kubeconfig:ro" --volume "$PWD/deploy/monitoring/kube-state-metrics.yaml:/config.yaml:ro" \
    "$image" --kubeconfig=/kubeconfig --custom-resource-state-only --custom-resource-state-config-file=/config.yaml
address=$(docker port "$container" 8080)
# The status of a small user has no size.
described=$(grep -o 'kube_auth0[a-z_]*' docs/operations.md | grep -v profile_kilobytes | sort -u)
for _ in {1..100}; do
    curl --silent "http://$address/metrics" > "$metrics" || true
    missing=$(for metric in $described; do grep -q "^$metric{" "$metrics" || echo "$metric"; done)
    [ -n "$missing" ] || break
    sleep 0.3
done
[ -z "$missing" ] || { echo "kube-state-metrics does not serve:" $missing >&2; exit 1; }
grep '^kube_auth0userupdate_status_condition{' "$metrics" | grep 'name="ann"' | grep 'condition="Ready"' |
    grep 'status="True"' | grep -q ' 1$'
echo "kube-state-metrics serves auth0|ann"
