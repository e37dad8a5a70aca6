local annotations = obj.metadata.annotations or {}
-- Argo CD runs this without the string library.
local no = {}
for _, word in ipairs({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0"}) do no[word] = true end
local paused = not no[annotations["auth0-user-operator.dev/paused"] or "no"]
-- Lua drops the nulls of spec, and Argo CD would write it back without them.
local nulls = obj.status ~= nil and obj.status.explicitNulls ~= nil and next(obj.status.explicitNulls) ~= nil

local actions = {}
actions["refresh"] = {
  ["displayName"] = "Look at Auth0 now",
  ["iconClass"] = "fa fa-fw fa-refresh",
  ["disabled"] = paused or nulls,
}
return actions
