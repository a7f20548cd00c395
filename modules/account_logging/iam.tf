data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "ApiGatewayAssumesTheRole"
    actions = ["sts:AssumeRole"]

    # Without a condition: API Gateway sends no source account along when it assumes this role.
    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  # Roles are global: with the region in the name, one account has several regions under one `name`.
  name                 = "${var.name}-api-gateway-logs-${data.aws_region.current.id}"
  path                 = var.iam_path
  description          = "API Gateway writes the logs of all REST and WebSocket APIs of the region with it."
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "this" {
  role = aws_iam_role.this.name
  # AWS's own policy for this role, which it keeps up to date.
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
