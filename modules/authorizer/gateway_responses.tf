locals {
  denial_responses = var.denial_response == null ? {} : {
    ACCESS_DENIED = {
      status_code = tostring(var.denial_response.status_code)
      # Filled in by the gateway; the function's reasons are plain words, which break no JSON.
      body = { message = "Access denied", reason = "$context.authorizer.reason" }
    }
    # Answered before the function is asked, so there is no context of an authorizer.
    UNAUTHORIZED = {
      status_code = "401"
      body        = { message = "Unauthorized", reason = "no_client_id" }
    }
  }
  denial_cors_origin = var.denial_response == null ? null : var.denial_response.cors_origin
  denial_headers = local.denial_cors_origin == null ? {} : merge(
    { "gatewayresponse.header.Access-Control-Allow-Origin" = "'${local.denial_cors_origin}'" },
    # Browsers hide the answer to a call with cookies or a client certificate without it, and take no `*` with it.
    local.denial_cors_origin == "*" ? {} : { "gatewayresponse.header.Access-Control-Allow-Credentials" = "'true'" },
  )
}

resource "aws_api_gateway_gateway_response" "denial" {
  for_each = merge([
    for key, api in var.rest_apis : {
      for type, response in local.denial_responses : "${key}/${type}" => merge(response, { api_id = api.id, type = type })
    }
  ]...)

  rest_api_id         = each.value.api_id
  response_type       = each.value.type
  status_code         = each.value.status_code
  response_parameters = local.denial_headers
  response_templates  = { "application/json" = jsonencode(each.value.body) }
}
