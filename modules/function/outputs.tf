output "arn" {
  description = "ARN of the function, to subscribe it or to give others a permission on it."
  value       = aws_lambda_function.this.arn
}

output "invoke_arn" {
  description = "ARN that API Gateway invokes the function by, for an authorizer."
  value       = aws_lambda_function.this.invoke_arn
}

output "name" {
  description = "Name of the function, to invoke it and to find its logs and metrics."
  value       = aws_lambda_function.this.function_name
}

output "role_arn" {
  description = "ARN of the function's role, to name it in a key's or a secret's own policy."
  value       = local.role_arn
}

output "role_policy" {
  description = "What the function's role allows, or has to allow where it is the user's, as one JSON policy."
  value       = data.aws_iam_policy_document.role.json
}
