output "arn" {
  description = "ARN of the key, as `kms_key.arn` of the modules takes it."
  value       = aws_kms_key.this.arn
}
