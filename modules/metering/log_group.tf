locals {
  # HTTP API stages write through a resource policy limited to 5,120 characters; this prefix does not use it up.
  new_log_group_name = "/aws/vendedlogs/apigateway/${var.name}"

  log_group_arn       = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.new_log_group_name}"
  log_group_name      = aws_cloudwatch_log_group.access.name
  existing_log_groups = { for name, group in var.existing_log_groups : name => trimsuffix(group.arn, ":*") }
}

resource "aws_cloudwatch_log_group" "access" {
  # checkov:skip=CKV_AWS_338: an input, 30 days where the user wants no more: access logs name people
  name              = local.new_log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = one(var.kms_key[*].arn)
  tags              = var.tags
}

data "aws_cloudwatch_log_group" "existing" {
  for_each = local.existing_log_groups

  # Out of the ARN, so that a group made in the same run is looked up after it exists.
  name = split(":", each.value)[6]

  lifecycle {
    postcondition {
      condition     = self.log_group_class == "STANDARD"
      error_message = "`existing_log_groups[*].arn` must be a log group of the Standard class: the others have no subscription filters. Name another group, or leave the entry out."
    }

    postcondition {
      condition     = self.arn == each.value
      error_message = "`existing_log_groups[*].arn` must be in this provider's account and region, as a subscription filter reaches no other. Name a group here, or use a provider for the group's account and region."
    }
  }
}
