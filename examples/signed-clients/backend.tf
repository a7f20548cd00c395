# Stands in for your own backend: a function that knows two products.

locals {
  backend_package_path = "${path.module}/.build/${var.name}-backend.zip"
}

resource "terraform_data" "backend_package" {
  triggers_replace = [local.backend_package_path, filesha256("${path.module}/backend.py")]
}

data "archive_file" "backend" {
  type             = "zip"
  output_path      = local.backend_package_path
  output_file_mode = "0644"

  source {
    filename = "backend.py"
    content  = file("${path.module}/backend.py")
  }

  # Written at apply, so that a saved plan applies from another checkout.
  depends_on = [terraform_data.backend_package]
}

data "aws_iam_policy_document" "backend_trust" {
  statement {
    sid     = "LambdaAssumesTheRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "backend" {
  name_prefix        = "${var.name}-backend-"
  assume_role_policy = data.aws_iam_policy_document.backend_trust.json
}

resource "aws_lambda_function" "backend" {
  # checkov:skip=CKV_AWS_115: the backend stands for yours
  # checkov:skip=CKV_AWS_116: API Gateway waits for it: there is nobody to take a letter
  # checkov:skip=CKV_AWS_117: the backend stands for yours, and needs no network
  # checkov:skip=CKV_AWS_272: signing is for you to choose
  # checkov:skip=CKV_AWS_50: the backend stands for yours
  function_name    = "${var.name}-backend"
  description      = "Backend of the Revenium example."
  role             = aws_iam_role.backend.arn
  runtime          = "python3.12"
  architectures    = ["arm64"]
  handler          = "backend.handler"
  filename         = data.archive_file.backend.output_path
  source_code_hash = data.archive_file.backend.output_base64sha256
}

resource "aws_lambda_permission" "backend" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.backend.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/GET/products*"
}
