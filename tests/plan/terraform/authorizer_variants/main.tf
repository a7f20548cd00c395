# Every way to say who is calling, every mode, and what is off by default, by authorizers alone.
locals {
  apis    = { shop = { id = "abcdef1234" } }
  secret  = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
  hook    = "${path.module}/../../../../examples/signed-clients/authenticate.py"
  no_apis = {}
  extra   = [{ type = "header", name = "x-signature" }, { type = "query", name = "expires" }]
  variants = {
    api-key          = { authorizer = { client_id_source = { type = "api_key" } }, http = local.no_apis, websocket = local.apis }
    certificate      = { authorizer = { client_id_source = { type = "certificate" } }, http = local.apis, websocket = local.no_apis }
    claim            = { authorizer = { client_id_source = { type = "jwt_claim" } }, http = local.apis, websocket = local.apis }
    extra            = { authorizer = { client_id_source = { name = "X-Consumer" }, extra_identity_sources = local.extra }, http = local.apis, websocket = local.apis }
    hook             = { authorizer = { authenticate = { file = local.hook } }, http = local.no_apis, websocket = local.no_apis }
    hook-and-secret  = { authorizer = { authenticate = { file = local.hook, secret = { arn = "${local.secret}:signing-AbCdEf", kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d" } } }, http = local.no_apis, websocket = local.no_apis }
    identify         = { authorizer = { mode = "identify", extra_identity_sources = local.extra }, http = local.apis, websocket = local.apis }
    observe          = { authorizer = { mode = "observe", cache_ttl_seconds = 60 }, http = local.apis, websocket = local.apis }
    query            = { authorizer = { client_id_source = { type = "query", name = "client" } }, http = local.apis, websocket = local.apis }
    responses        = { authorizer = { denial_response = { status_code = 402, cors_origin = "https://app.example" } }, http = local.apis, websocket = local.no_apis }
    responses-plain  = { authorizer = { denial_response = {} }, http = local.no_apis, websocket = local.no_apis }
    responses-to-any = { authorizer = { denial_response = { cors_origin = "*" } }, http = local.no_apis, websocket = local.no_apis }
    times            = { authorizer = { allow_cache_seconds = 1, cache_ttl_seconds = 2, deny_cache_seconds = 3, entitlement_timeout_seconds = 4, stale_seconds = 5 }, http = local.apis, websocket = local.apis }
  }
}

module "variant" {
  for_each = local.variants
  source   = "../../../.."

  name           = each.key
  api_key_secret = { arn = "${local.secret}:revenium-AbCdEf" }
  authorizer     = each.value.authorizer
  metering       = null
  rest_apis      = local.apis
  http_apis      = each.value.http
  websocket_apis = each.value.websocket
}

# The same but for one thing each; the last differs in nothing that an API has to take up.
module "hashed" {
  for_each = {
    base      = {}
    extra     = { extra_identity_sources = local.extra }
    mode      = { mode = "observe" }
    responses = { denial_response = {} }
    status    = { denial_response = { status_code = 429 } }
    origin    = { denial_response = { cors_origin = "*" } }
    ttl       = { cache_ttl_seconds = 60 }
    function  = { allow_cache_seconds = 60 }
  }
  source = "../../../.."

  name           = "hashed"
  api_key_secret = { arn = "${local.secret}:revenium-AbCdEf" }
  authorizer     = each.value
  metering       = null
}

output "redeployment_hashes" {
  value = { for key, instance in module.hashed : key => instance.redeployment_hash }
}
