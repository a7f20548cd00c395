locals {
  rest_identity_source = "method.request.header.${var.client_id_header}"
}

resource "aws_api_gateway_authorizer" "this" {
  for_each = var.rest_apis

  name                             = local.function_name
  rest_api_id                      = each.value.id
  type                             = "REQUEST"
  authorizer_uri                   = aws_lambda_function.this.invoke_arn
  authorizer_result_ttl_in_seconds = var.cache_ttl_seconds
  identity_source                  = local.rest_identity_source
}

resource "aws_lambda_permission" "rest" {
  for_each = var.rest_apis

  statement_id  = "rest-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "apigateway.amazonaws.com"
  # Names the account as well: a source_account would say it twice, and AWS does not document that API Gateway sends one.
  source_arn = "${local.execute_api_arn}:${each.value.id}/authorizers/${aws_api_gateway_authorizer.this[each.key].id}"
}
