#!/usr/bin/env bash
# progress.sh WHAT COMMAND…: runs a command that may take minutes, and says in one line what is built and for how long.
# Within the command of another, it only says what was built.
set -euo pipefail
what=$1; shift
[ -t 1 ] && is_terminal=1 || is_terminal=
show() { # STATE END
  [ -z "$is_terminal" ] || printf '\r\033[K'
  printf '%s %s, %d s%b' "$1" "$what" "$SECONDS" "$2"
}
tick() {
  # Its output is closed, so that a reader of ours does not wait for it.
  for ((tick = 1; ; tick++)); do
    sleep 1 >&- 2>&-
    kill -0 $$ 2>/dev/null || exit 0
    if [ -n "$is_terminal" ]; then show building '\r'; elif ((tick % 30 == 0)); then show building '\n'; fi
  done
}
if [ -z "${IN_PROGRESS:-}" ]; then
  [ -n "$is_terminal" ] || echo "building $what"
  tick &
  ticker=$!
fi
outcome=0
IN_PROGRESS=1 "$@" || outcome=$?
[ -z "${ticker:-}" ] || kill "$ticker" 2>/dev/null || true
[ "$outcome" = 0 ] && show built '\n' || show 'could not build' '\n'
exit "$outcome"
