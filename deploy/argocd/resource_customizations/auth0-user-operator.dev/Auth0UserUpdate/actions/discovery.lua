local annotations = obj.metadata.annotations or {}
local paused = annotations["auth0-user-operator.dev/paused"] == "true"

local actions = {}
actions["refresh"] = {
  ["displayName"] = "Look at Auth0 now",
  ["iconClass"] = "fa fa-fw fa-refresh",
  ["disabled"] = paused,
}
return actions
