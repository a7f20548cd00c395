output "role_arn" {
  description = "ARN of the role that API Gateway writes logs with, once it is set."
  value       = aws_iam_role.this.arn

  depends_on = [aws_api_gateway_account.this]
}
