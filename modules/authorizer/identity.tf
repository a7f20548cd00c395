locals {
  client_id_name = try(coalesce(var.client_id_source.name, { header = "clientId", jwt_claim = "sub", query = "clientId" }[var.client_id_source.type]), null)
  client_id_source = (
    contains(["api_key", "certificate"], var.client_id_source.type) ? var.client_id_source.type :
    "${var.client_id_source.type}:${local.client_id_name}"
  )

  # What a call has to bring for the function to find its client id there.
  client_id_carrier = lookup({
    api_key     = { type = "header", name = "x-api-key" }
    certificate = { type = "context", name = "identity.clientCert.subjectDN" }
    jwt_claim   = { type = "header", name = "Authorization" }
  }, var.client_id_source.type, { type = var.client_id_source.type, name = local.client_id_name })

  enforced = var.mode == "enforce"
  # One list for the gateway and the function: the gateway repeats an answer to all calls that agree in these.
  identity_sources = local.enforced ? concat([local.client_id_carrier], var.extra_identity_sources) : []
  identity_source_prefixes = {
    http      = { context = "$context", header = "$request.header", query = "$request.querystring" }
    rest      = { context = "context", header = "method.request.header", query = "method.request.querystring" }
    websocket = { context = "context", header = "route.request.header", query = "route.request.querystring" }
  }
  gateway_identity_sources = {
    for kind, prefixes in local.identity_source_prefixes :
    kind => [for source in local.identity_sources : "${prefixes[source.type]}.${source.name}"]
  }

  # A repeated answer would carry the client id of whoever asked first.
  gateway_cache_seconds = local.enforced ? var.cache_ttl_seconds : 0
}
