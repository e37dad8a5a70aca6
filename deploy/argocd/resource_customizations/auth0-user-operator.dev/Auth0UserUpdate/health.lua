-- Both kinds speak the same conditions, so both have this same script.
local function said(kind)
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == kind and condition.observedGeneration == obj.metadata.generation then
      return condition
    end
  end
  return {}
end

if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not reconciled this generation yet" }
end

local ready, synced = said("Ready"), said("Synced")
local message = ready.message or "The operator has not reported yet whether this generation is applied"

if synced.reason == "Paused" then
  return { status = "Suspended", message = synced.message }
end
if said("Stalled").status == "True" then
  return { status = "Degraded", message = message }
end
if said("Reconciling").status ~= "True" and ready.status == "True" then
  return { status = "Healthy", message = message }
end
return { status = "Progressing", message = message }
