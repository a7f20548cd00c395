# Stands in for your own authorizer. All that metering wants of it is `clientId` in the context that it returns.

resource "aws_apigatewayv2_authorizer" "own" {
  name                              = var.name
  api_id                            = aws_apigatewayv2_api.this.id
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = aws_lambda_function.authorizer.invoke_arn
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = 30
  enable_simple_responses           = true
  identity_sources                  = ["$request.header.authorization"]
}

locals {
  authorizer_package_path = "${path.module}/.build/${var.name}-authorizer.zip"
}

resource "terraform_data" "authorizer_package" {
  triggers_replace = [local.authorizer_package_path, filesha256("${path.module}/authorizer.py")]
}

data "archive_file" "authorizer" {
  type             = "zip"
  output_path      = local.authorizer_package_path
  output_file_mode = "0644"

  source {
    filename = "authorizer.py"
    content  = file("${path.module}/authorizer.py")
  }

  # Written at apply, so that a saved plan applies from another checkout.
  depends_on = [terraform_data.authorizer_package]
}

data "aws_iam_policy_document" "authorizer_trust" {
  statement {
    sid     = "LambdaAssumesTheRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "authorizer" {
  name_prefix        = "${var.name}-own-"
  assume_role_policy = data.aws_iam_policy_document.authorizer_trust.json
}

resource "aws_lambda_function" "authorizer" {
  # checkov:skip=CKV_AWS_115: the authorizer stands for yours
  # checkov:skip=CKV_AWS_116: API Gateway waits for it: there is nobody to take a letter
  # checkov:skip=CKV_AWS_117: the authorizer stands for yours, and needs no network
  # checkov:skip=CKV_AWS_173: the hashes of the tokens are no secret, and AWS's own key encrypts them
  # checkov:skip=CKV_AWS_272: signing is for you to choose
  # checkov:skip=CKV_AWS_50: the authorizer stands for yours
  function_name    = "${var.name}-own-authorizer"
  description      = "The API's own authorizer."
  role             = aws_iam_role.authorizer.arn
  runtime          = "python3.12"
  architectures    = ["arm64"]
  handler          = "authorizer.handler"
  filename         = data.archive_file.authorizer.output_path
  source_code_hash = data.archive_file.authorizer.output_base64sha256

  environment {
    variables = { CLIENTS = jsonencode({ for client_id, digest in var.clients : digest => client_id }) }
  }
}

resource "aws_lambda_permission" "authorizer" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.authorizer.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.own.id}"
}
