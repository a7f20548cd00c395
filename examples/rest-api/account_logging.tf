# One setting per account and region: API Gateway writes the logs of all its REST and WebSocket APIs with this role.

data "aws_partition" "current" {}

data "aws_iam_policy_document" "account_logging_trust" {
  statement {
    sid     = "ApiGatewayAssumesTheRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "account_logging" {
  count = var.set_account_logging_role ? 1 : 0

  name_prefix        = "${var.name}-logs-"
  assume_role_policy = data.aws_iam_policy_document.account_logging_trust.json
}

resource "aws_iam_role_policy_attachment" "account_logging" {
  count = var.set_account_logging_role ? 1 : 0

  role       = aws_iam_role.account_logging[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count = var.set_account_logging_role ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.account_logging[0].arn

  depends_on = [aws_iam_role_policy_attachment.account_logging]
}
