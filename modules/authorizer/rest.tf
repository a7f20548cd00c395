locals {
  # Nothing is required where everybody is let in. Left out, the provider asks for the Authorization header, and API
  # Gateway refuses an empty one; the caller's address is always there.
  rest_identity_source = local.enforced ? join(",", local.gateway_identity_sources.rest) : "context.identity.sourceIp"
}

resource "aws_api_gateway_authorizer" "this" {
  for_each = var.rest_apis

  name                             = local.function_name
  rest_api_id                      = each.value.id
  type                             = "REQUEST"
  authorizer_uri                   = module.function.invoke_arn
  authorizer_result_ttl_in_seconds = local.gateway_cache_seconds
  identity_source                  = local.rest_identity_source
}

resource "aws_lambda_permission" "rest" {
  for_each = var.rest_apis

  statement_id  = "rest-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  # Names the account as well: a source_account would say it twice, and AWS does not document that API Gateway sends one.
  source_arn = "${local.execute_api_arn}:${each.value.id}/authorizers/${aws_api_gateway_authorizer.this[each.key].id}"
}
