resource "aws_apigatewayv2_authorizer" "this" {
  for_each = var.http_apis

  name                              = local.function_name
  api_id                            = each.value.id
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = module.function.invoke_arn
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = local.gateway_cache_seconds
  # The function answers every kind of API alike, with an IAM policy.
  enable_simple_responses = false
  identity_sources        = local.gateway_identity_sources.http
}

resource "aws_lambda_permission" "http" {
  for_each = var.http_apis

  statement_id  = "http-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.execute_api_arn}:${each.value.id}/authorizers/${aws_apigatewayv2_authorizer.this[each.key].id}"
}
