local annotations = obj.metadata.annotations or {}
local no = {["false"] = true, ["no"] = true, ["off"] = true, ["0"] = true}
local paused = not no[string.lower(annotations["auth0-user-operator.dev/paused"] or "no")]
-- Lua drops the nulls of spec, and Argo CD would write it back without them.
local nulls = obj.status ~= nil and obj.status.explicitNulls ~= nil and next(obj.status.explicitNulls) ~= nil

local actions = {}
actions["refresh"] = {
  ["displayName"] = "Check Auth0 now",
  ["iconClass"] = "fa fa-fw fa-refresh",
  ["disabled"] = paused or nulls,
}
return actions
