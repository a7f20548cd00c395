# One setting per account and region: API Gateway writes the logs of all its REST and WebSocket APIs with this role.

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.this.arn

  # API Gateway checks that the role may write.
  depends_on = [aws_iam_role_policy_attachment.this]
}
