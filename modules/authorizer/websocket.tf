resource "aws_apigatewayv2_authorizer" "websocket" {
  for_each = var.websocket_apis

  name             = local.function_name
  api_id           = each.value.id
  authorizer_type  = "REQUEST"
  authorizer_uri   = module.function.invoke_arn
  identity_sources = local.gateway_identity_sources.websocket
  # No payload format version and no cache time: AWS has both for HTTP APIs alone.
}

resource "aws_lambda_permission" "websocket" {
  for_each = var.websocket_apis

  statement_id  = "websocket-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.execute_api_arn}:${each.value.id}/authorizers/${aws_apigatewayv2_authorizer.websocket[each.key].id}"
}
