local annotations = obj.metadata.annotations or {}
local paused = annotations["auth0-user-operator.dev/paused"] == "true"
-- Lua drops the nulls of spec, and Argo CD would write it back without them.
local nulls = obj.status ~= nil and obj.status.explicitNulls ~= nil and next(obj.status.explicitNulls) ~= nil

local actions = {}
actions["refresh"] = {
  ["displayName"] = "Look at Auth0 now",
  ["iconClass"] = "fa fa-fw fa-refresh",
  ["disabled"] = paused or nulls,
}
return actions
